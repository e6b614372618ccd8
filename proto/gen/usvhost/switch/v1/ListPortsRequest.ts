// Original file: proto/switch.proto


export interface ListPortsRequest {
}

export interface ListPortsRequest__Output {
}
