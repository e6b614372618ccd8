// Original file: proto/switch.proto

import type { PortSpec as _usvhost_switch_v1_PortSpec, PortSpec__Output as _usvhost_switch_v1_PortSpec__Output } from '../../../usvhost/switch/v1/PortSpec.ts';
import type { Long } from '@grpc/proto-loader';

export interface Port {
  'spec'?: (_usvhost_switch_v1_PortSpec | null);
  'socket_path'?: (string);
  'state'?: (string);
  'features'?: (number | string | Long);
  'last_error'?: (string);
  'connections'?: (number | string | Long);
  'counters'?: ({[key: string]: number | string | Long});
}

export interface Port__Output {
  'spec': (_usvhost_switch_v1_PortSpec__Output | null);
  'socket_path': (string);
  'state': (string);
  'features': (string);
  'last_error': (string);
  'connections': (string);
  'counters': ({[key: string]: string});
}
