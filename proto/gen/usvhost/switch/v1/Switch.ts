// Original file: proto/switch.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { ListPortsRequest as _usvhost_switch_v1_ListPortsRequest, ListPortsRequest__Output as _usvhost_switch_v1_ListPortsRequest__Output } from '../../../usvhost/switch/v1/ListPortsRequest.ts';
import type { ListPortsResponse as _usvhost_switch_v1_ListPortsResponse, ListPortsResponse__Output as _usvhost_switch_v1_ListPortsResponse__Output } from '../../../usvhost/switch/v1/ListPortsResponse.ts';
import type { Port as _usvhost_switch_v1_Port, Port__Output as _usvhost_switch_v1_Port__Output } from '../../../usvhost/switch/v1/Port.ts';
import type { PortEvent as _usvhost_switch_v1_PortEvent, PortEvent__Output as _usvhost_switch_v1_PortEvent__Output } from '../../../usvhost/switch/v1/PortEvent.ts';
import type { PortSpec as _usvhost_switch_v1_PortSpec, PortSpec__Output as _usvhost_switch_v1_PortSpec__Output } from '../../../usvhost/switch/v1/PortSpec.ts';
import type { RemovePortRequest as _usvhost_switch_v1_RemovePortRequest, RemovePortRequest__Output as _usvhost_switch_v1_RemovePortRequest__Output } from '../../../usvhost/switch/v1/RemovePortRequest.ts';
import type { RemovePortResponse as _usvhost_switch_v1_RemovePortResponse, RemovePortResponse__Output as _usvhost_switch_v1_RemovePortResponse__Output } from '../../../usvhost/switch/v1/RemovePortResponse.ts';
import type { StatsRequest as _usvhost_switch_v1_StatsRequest, StatsRequest__Output as _usvhost_switch_v1_StatsRequest__Output } from '../../../usvhost/switch/v1/StatsRequest.ts';
import type { StatsResponse as _usvhost_switch_v1_StatsResponse, StatsResponse__Output as _usvhost_switch_v1_StatsResponse__Output } from '../../../usvhost/switch/v1/StatsResponse.ts';
import type { WatchPortsRequest as _usvhost_switch_v1_WatchPortsRequest, WatchPortsRequest__Output as _usvhost_switch_v1_WatchPortsRequest__Output } from '../../../usvhost/switch/v1/WatchPortsRequest.ts';

export interface SwitchClient extends grpc.Client {
  AddPort(argument: _usvhost_switch_v1_PortSpec, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_usvhost_switch_v1_Port__Output>): grpc.ClientUnaryCall;
  AddPort(argument: _usvhost_switch_v1_PortSpec, metadata: grpc.Metadata, callback: grpc.requestCallback<_usvhost_switch_v1_Port__Output>): grpc.ClientUnaryCall;
  AddPort(argument: _usvhost_switch_v1_PortSpec, options: grpc.CallOptions, callback: grpc.requestCallback<_usvhost_switch_v1_Port__Output>): grpc.ClientUnaryCall;
  AddPort(argument: _usvhost_switch_v1_PortSpec, callback: grpc.requestCallback<_usvhost_switch_v1_Port__Output>): grpc.ClientUnaryCall;
  addPort(argument: _usvhost_switch_v1_PortSpec, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_usvhost_switch_v1_Port__Output>): grpc.ClientUnaryCall;
  addPort(argument: _usvhost_switch_v1_PortSpec, metadata: grpc.Metadata, callback: grpc.requestCallback<_usvhost_switch_v1_Port__Output>): grpc.ClientUnaryCall;
  addPort(argument: _usvhost_switch_v1_PortSpec, options: grpc.CallOptions, callback: grpc.requestCallback<_usvhost_switch_v1_Port__Output>): grpc.ClientUnaryCall;
  addPort(argument: _usvhost_switch_v1_PortSpec, callback: grpc.requestCallback<_usvhost_switch_v1_Port__Output>): grpc.ClientUnaryCall;
  
  ListPorts(argument: _usvhost_switch_v1_ListPortsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_usvhost_switch_v1_ListPortsResponse__Output>): grpc.ClientUnaryCall;
  ListPorts(argument: _usvhost_switch_v1_ListPortsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_usvhost_switch_v1_ListPortsResponse__Output>): grpc.ClientUnaryCall;
  ListPorts(argument: _usvhost_switch_v1_ListPortsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_usvhost_switch_v1_ListPortsResponse__Output>): grpc.ClientUnaryCall;
  ListPorts(argument: _usvhost_switch_v1_ListPortsRequest, callback: grpc.requestCallback<_usvhost_switch_v1_ListPortsResponse__Output>): grpc.ClientUnaryCall;
  listPorts(argument: _usvhost_switch_v1_ListPortsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_usvhost_switch_v1_ListPortsResponse__Output>): grpc.ClientUnaryCall;
  listPorts(argument: _usvhost_switch_v1_ListPortsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_usvhost_switch_v1_ListPortsResponse__Output>): grpc.ClientUnaryCall;
  listPorts(argument: _usvhost_switch_v1_ListPortsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_usvhost_switch_v1_ListPortsResponse__Output>): grpc.ClientUnaryCall;
  listPorts(argument: _usvhost_switch_v1_ListPortsRequest, callback: grpc.requestCallback<_usvhost_switch_v1_ListPortsResponse__Output>): grpc.ClientUnaryCall;
  
  RemovePort(argument: _usvhost_switch_v1_RemovePortRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_usvhost_switch_v1_RemovePortResponse__Output>): grpc.ClientUnaryCall;
  RemovePort(argument: _usvhost_switch_v1_RemovePortRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_usvhost_switch_v1_RemovePortResponse__Output>): grpc.ClientUnaryCall;
  RemovePort(argument: _usvhost_switch_v1_RemovePortRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_usvhost_switch_v1_RemovePortResponse__Output>): grpc.ClientUnaryCall;
  RemovePort(argument: _usvhost_switch_v1_RemovePortRequest, callback: grpc.requestCallback<_usvhost_switch_v1_RemovePortResponse__Output>): grpc.ClientUnaryCall;
  removePort(argument: _usvhost_switch_v1_RemovePortRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_usvhost_switch_v1_RemovePortResponse__Output>): grpc.ClientUnaryCall;
  removePort(argument: _usvhost_switch_v1_RemovePortRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_usvhost_switch_v1_RemovePortResponse__Output>): grpc.ClientUnaryCall;
  removePort(argument: _usvhost_switch_v1_RemovePortRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_usvhost_switch_v1_RemovePortResponse__Output>): grpc.ClientUnaryCall;
  removePort(argument: _usvhost_switch_v1_RemovePortRequest, callback: grpc.requestCallback<_usvhost_switch_v1_RemovePortResponse__Output>): grpc.ClientUnaryCall;
  
  Stats(argument: _usvhost_switch_v1_StatsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_usvhost_switch_v1_StatsResponse__Output>): grpc.ClientUnaryCall;
  Stats(argument: _usvhost_switch_v1_StatsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_usvhost_switch_v1_StatsResponse__Output>): grpc.ClientUnaryCall;
  Stats(argument: _usvhost_switch_v1_StatsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_usvhost_switch_v1_StatsResponse__Output>): grpc.ClientUnaryCall;
  Stats(argument: _usvhost_switch_v1_StatsRequest, callback: grpc.requestCallback<_usvhost_switch_v1_StatsResponse__Output>): grpc.ClientUnaryCall;
  stats(argument: _usvhost_switch_v1_StatsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_usvhost_switch_v1_StatsResponse__Output>): grpc.ClientUnaryCall;
  stats(argument: _usvhost_switch_v1_StatsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_usvhost_switch_v1_StatsResponse__Output>): grpc.ClientUnaryCall;
  stats(argument: _usvhost_switch_v1_StatsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_usvhost_switch_v1_StatsResponse__Output>): grpc.ClientUnaryCall;
  stats(argument: _usvhost_switch_v1_StatsRequest, callback: grpc.requestCallback<_usvhost_switch_v1_StatsResponse__Output>): grpc.ClientUnaryCall;
  
  WatchPorts(argument: _usvhost_switch_v1_WatchPortsRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_usvhost_switch_v1_PortEvent__Output>;
  WatchPorts(argument: _usvhost_switch_v1_WatchPortsRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_usvhost_switch_v1_PortEvent__Output>;
  watchPorts(argument: _usvhost_switch_v1_WatchPortsRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_usvhost_switch_v1_PortEvent__Output>;
  watchPorts(argument: _usvhost_switch_v1_WatchPortsRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_usvhost_switch_v1_PortEvent__Output>;
  
}

export interface SwitchHandlers extends grpc.UntypedServiceImplementation {
  AddPort: grpc.handleUnaryCall<_usvhost_switch_v1_PortSpec__Output, _usvhost_switch_v1_Port>;
  
  ListPorts: grpc.handleUnaryCall<_usvhost_switch_v1_ListPortsRequest__Output, _usvhost_switch_v1_ListPortsResponse>;
  
  RemovePort: grpc.handleUnaryCall<_usvhost_switch_v1_RemovePortRequest__Output, _usvhost_switch_v1_RemovePortResponse>;
  
  Stats: grpc.handleUnaryCall<_usvhost_switch_v1_StatsRequest__Output, _usvhost_switch_v1_StatsResponse>;
  
  WatchPorts: grpc.handleServerStreamingCall<_usvhost_switch_v1_WatchPortsRequest__Output, _usvhost_switch_v1_PortEvent>;
  
}

export interface SwitchDefinition extends grpc.ServiceDefinition {
  AddPort: MethodDefinition<_usvhost_switch_v1_PortSpec, _usvhost_switch_v1_Port, _usvhost_switch_v1_PortSpec__Output, _usvhost_switch_v1_Port__Output>
  ListPorts: MethodDefinition<_usvhost_switch_v1_ListPortsRequest, _usvhost_switch_v1_ListPortsResponse, _usvhost_switch_v1_ListPortsRequest__Output, _usvhost_switch_v1_ListPortsResponse__Output>
  RemovePort: MethodDefinition<_usvhost_switch_v1_RemovePortRequest, _usvhost_switch_v1_RemovePortResponse, _usvhost_switch_v1_RemovePortRequest__Output, _usvhost_switch_v1_RemovePortResponse__Output>
  Stats: MethodDefinition<_usvhost_switch_v1_StatsRequest, _usvhost_switch_v1_StatsResponse, _usvhost_switch_v1_StatsRequest__Output, _usvhost_switch_v1_StatsResponse__Output>
  WatchPorts: MethodDefinition<_usvhost_switch_v1_WatchPortsRequest, _usvhost_switch_v1_PortEvent, _usvhost_switch_v1_WatchPortsRequest__Output, _usvhost_switch_v1_PortEvent__Output>
}
