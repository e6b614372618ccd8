// Original file: proto/switch.proto


export interface RemovePortResponse {
  'removed'?: (boolean);
}

export interface RemovePortResponse__Output {
  'removed': (boolean);
}
