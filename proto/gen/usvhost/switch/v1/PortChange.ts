// Original file: proto/switch.proto

import type { Port as _usvhost_switch_v1_Port, Port__Output as _usvhost_switch_v1_Port__Output } from '../../../usvhost/switch/v1/Port.ts';

export interface PortChange {
  'port'?: (_usvhost_switch_v1_Port | null);
  'reason'?: (string);
}

export interface PortChange__Output {
  'port': (_usvhost_switch_v1_Port__Output | null);
  'reason': (string);
}
