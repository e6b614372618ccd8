// Original file: proto/switch.proto


export interface RemovePortRequest {
  'name'?: (string);
}

export interface RemovePortRequest__Output {
  'name': (string);
}
