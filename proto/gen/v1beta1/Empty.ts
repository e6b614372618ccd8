// Original file: proto/deviceplugin.proto


export interface Empty {
}

export interface Empty__Output {
}
