import type * as grpc from '@grpc/grpc-js';
import type { MessageTypeDefinition } from '@grpc/proto-loader';

import type { ListPortsRequest as _usvhost_switch_v1_ListPortsRequest, ListPortsRequest__Output as _usvhost_switch_v1_ListPortsRequest__Output } from './usvhost/switch/v1/ListPortsRequest.ts';
import type { ListPortsResponse as _usvhost_switch_v1_ListPortsResponse, ListPortsResponse__Output as _usvhost_switch_v1_ListPortsResponse__Output } from './usvhost/switch/v1/ListPortsResponse.ts';
import type { Port as _usvhost_switch_v1_Port, Port__Output as _usvhost_switch_v1_Port__Output } from './usvhost/switch/v1/Port.ts';
import type { PortChange as _usvhost_switch_v1_PortChange, PortChange__Output as _usvhost_switch_v1_PortChange__Output } from './usvhost/switch/v1/PortChange.ts';
import type { PortCounters as _usvhost_switch_v1_PortCounters, PortCounters__Output as _usvhost_switch_v1_PortCounters__Output } from './usvhost/switch/v1/PortCounters.ts';
import type { PortEvent as _usvhost_switch_v1_PortEvent, PortEvent__Output as _usvhost_switch_v1_PortEvent__Output } from './usvhost/switch/v1/PortEvent.ts';
import type { PortSnapshot as _usvhost_switch_v1_PortSnapshot, PortSnapshot__Output as _usvhost_switch_v1_PortSnapshot__Output } from './usvhost/switch/v1/PortSnapshot.ts';
import type { PortSpec as _usvhost_switch_v1_PortSpec, PortSpec__Output as _usvhost_switch_v1_PortSpec__Output } from './usvhost/switch/v1/PortSpec.ts';
import type { RemovePortRequest as _usvhost_switch_v1_RemovePortRequest, RemovePortRequest__Output as _usvhost_switch_v1_RemovePortRequest__Output } from './usvhost/switch/v1/RemovePortRequest.ts';
import type { RemovePortResponse as _usvhost_switch_v1_RemovePortResponse, RemovePortResponse__Output as _usvhost_switch_v1_RemovePortResponse__Output } from './usvhost/switch/v1/RemovePortResponse.ts';
import type { StatsRequest as _usvhost_switch_v1_StatsRequest, StatsRequest__Output as _usvhost_switch_v1_StatsRequest__Output } from './usvhost/switch/v1/StatsRequest.ts';
import type { StatsResponse as _usvhost_switch_v1_StatsResponse, StatsResponse__Output as _usvhost_switch_v1_StatsResponse__Output } from './usvhost/switch/v1/StatsResponse.ts';
import type { SwitchClient as _usvhost_switch_v1_SwitchClient, SwitchDefinition as _usvhost_switch_v1_SwitchDefinition } from './usvhost/switch/v1/Switch.ts';
import type { WatchPortsRequest as _usvhost_switch_v1_WatchPortsRequest, WatchPortsRequest__Output as _usvhost_switch_v1_WatchPortsRequest__Output } from './usvhost/switch/v1/WatchPortsRequest.ts';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  usvhost: {
    switch: {
      v1: {
        ListPortsRequest: MessageTypeDefinition<_usvhost_switch_v1_ListPortsRequest, _usvhost_switch_v1_ListPortsRequest__Output>
        ListPortsResponse: MessageTypeDefinition<_usvhost_switch_v1_ListPortsResponse, _usvhost_switch_v1_ListPortsResponse__Output>
        Port: MessageTypeDefinition<_usvhost_switch_v1_Port, _usvhost_switch_v1_Port__Output>
        PortChange: MessageTypeDefinition<_usvhost_switch_v1_PortChange, _usvhost_switch_v1_PortChange__Output>
        PortCounters: MessageTypeDefinition<_usvhost_switch_v1_PortCounters, _usvhost_switch_v1_PortCounters__Output>
        PortEvent: MessageTypeDefinition<_usvhost_switch_v1_PortEvent, _usvhost_switch_v1_PortEvent__Output>
        PortSnapshot: MessageTypeDefinition<_usvhost_switch_v1_PortSnapshot, _usvhost_switch_v1_PortSnapshot__Output>
        PortSpec: MessageTypeDefinition<_usvhost_switch_v1_PortSpec, _usvhost_switch_v1_PortSpec__Output>
        RemovePortRequest: MessageTypeDefinition<_usvhost_switch_v1_RemovePortRequest, _usvhost_switch_v1_RemovePortRequest__Output>
        RemovePortResponse: MessageTypeDefinition<_usvhost_switch_v1_RemovePortResponse, _usvhost_switch_v1_RemovePortResponse__Output>
        StatsRequest: MessageTypeDefinition<_usvhost_switch_v1_StatsRequest, _usvhost_switch_v1_StatsRequest__Output>
        StatsResponse: MessageTypeDefinition<_usvhost_switch_v1_StatsResponse, _usvhost_switch_v1_StatsResponse__Output>
        Switch: SubtypeConstructor<typeof grpc.Client, _usvhost_switch_v1_SwitchClient> & { service: _usvhost_switch_v1_SwitchDefinition }
        WatchPortsRequest: MessageTypeDefinition<_usvhost_switch_v1_WatchPortsRequest, _usvhost_switch_v1_WatchPortsRequest__Output>
      }
    }
  }
}

