// Original file: proto/switch.proto


export interface StatsRequest {
}

export interface StatsRequest__Output {
}
