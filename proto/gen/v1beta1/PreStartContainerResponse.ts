// Original file: proto/deviceplugin.proto


export interface PreStartContainerResponse {
}

export interface PreStartContainerResponse__Output {
}
