// Original file: proto/switch.proto


export interface WatchPortsRequest {
}

export interface WatchPortsRequest__Output {
}
