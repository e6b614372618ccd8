// Original file: proto/switch.proto

import type { Port as _usvhost_switch_v1_Port, Port__Output as _usvhost_switch_v1_Port__Output } from '../../../usvhost/switch/v1/Port.ts';

export interface PortSnapshot {
  'ports'?: (_usvhost_switch_v1_Port)[];
}

export interface PortSnapshot__Output {
  'ports': (_usvhost_switch_v1_Port__Output)[];
}
