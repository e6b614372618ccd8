// Original file: proto/switch.proto


export interface PortSpec {
  'name'?: (string);
  'socket_mode'?: (number);
  'uid'?: (number);
  'gid'?: (number);
  'mac'?: (string);
  'mtu'?: (number);
  'role'?: (string);
  'network'?: (string);
  '_uid'?: "uid";
  '_gid'?: "gid";
}

export interface PortSpec__Output {
  'name': (string);
  'socket_mode': (number);
  'uid'?: (number);
  'gid'?: (number);
  'mac': (string);
  'mtu': (number);
  'role': (string);
  'network': (string);
  '_uid'?: "uid";
  '_gid'?: "gid";
}
