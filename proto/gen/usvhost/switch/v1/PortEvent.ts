// Original file: proto/switch.proto

import type { PortSnapshot as _usvhost_switch_v1_PortSnapshot, PortSnapshot__Output as _usvhost_switch_v1_PortSnapshot__Output } from '../../../usvhost/switch/v1/PortSnapshot.ts';
import type { PortChange as _usvhost_switch_v1_PortChange, PortChange__Output as _usvhost_switch_v1_PortChange__Output } from '../../../usvhost/switch/v1/PortChange.ts';

export interface PortEvent {
  'snapshot'?: (_usvhost_switch_v1_PortSnapshot | null);
  'changed'?: (_usvhost_switch_v1_PortChange | null);
  'removed'?: (string);
  'event'?: "snapshot"|"changed"|"removed";
}

export interface PortEvent__Output {
  'snapshot'?: (_usvhost_switch_v1_PortSnapshot__Output | null);
  'changed'?: (_usvhost_switch_v1_PortChange__Output | null);
  'removed'?: (string);
  'event'?: "snapshot"|"changed"|"removed";
}
