// Original file: proto/switch.proto

import type { PortCounters as _usvhost_switch_v1_PortCounters, PortCounters__Output as _usvhost_switch_v1_PortCounters__Output } from '../../../usvhost/switch/v1/PortCounters.ts';

export interface StatsResponse {
  'ports'?: ({[key: string]: _usvhost_switch_v1_PortCounters});
}

export interface StatsResponse__Output {
  'ports': ({[key: string]: _usvhost_switch_v1_PortCounters__Output});
}
