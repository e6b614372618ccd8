// Original file: proto/switch.proto

import type { Long } from '@grpc/proto-loader';

export interface PortCounters {
  'counters'?: ({[key: string]: number | string | Long});
}

export interface PortCounters__Output {
  'counters': ({[key: string]: string});
}
