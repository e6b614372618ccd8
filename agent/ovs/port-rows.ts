// SPDX-License-Identifier: Apache-2.0
//
// A port as rows of OVSDB: what is inserted for one, the marks by which it is known as ours, and how it is read back. Pure
// functions; the columns are those of ovs-vswitchd.conf.db(5).

import type { SwitchPort, WantedPort } from '../../cni/call.ts';
import { entries, map, named, number, type Row, set, text, uuid, where } from './values.ts';

/** Keys of external_ids. */
export const ownerKey = 'usvhost-owner';
const specKey = 'usvhost-spec';
const networkKey = 'usvhost-network';

/** What two requests for a port of the same name must agree on. */
export function specOf({ mac, mtu, options = {} }: WantedPort): string {
  const { vlan, trunk, bandwidth } = options;
  return JSON.stringify({ mac, mtu, vlan, trunk, bandwidth });
}

/** Whose port a row of Port is, what was asked for, and the network's name, for people. */
export function marksOf(port: Row): {
  readonly owner: string | undefined;
  readonly spec: string | undefined;
  readonly network: string | undefined;
} {
  const ids = entries(port['external_ids']);
  return { owner: ids[ownerKey], spec: ids[specKey], network: ids[networkKey] };
}

function marks(wanted: WantedPort, owner: string): Record<string, string> {
  const { containerId, ifname, podNamespace, podName, podUid } = wanted.holder ?? {};
  const known = {
    [ownerKey]: owner,
    'usvhost-port': wanted.name,
    [networkKey]: wanted.network,
    'usvhost-container-id': containerId,
    'usvhost-ifname': ifname,
    'usvhost-pod-namespace': podNamespace,
    'usvhost-pod-name': podName,
    'usvhost-pod-uid': podUid,
  };
  return Object.fromEntries(Object.entries(known).flatMap(([key, value]) => (value ? [[key, value]] : [])));
}

/** Towards the pod: bytes a second and bytes (`egress-policer`, out of the switch). */
function qosRow({ options }: WantedPort, ids: Readonly<Record<string, string>>): Row | undefined {
  const { ingressRate = 0, ingressBurst = 0 } = options?.bandwidth ?? {};
  if (ingressRate === 0) return undefined;
  const bytes = (bits: number): string => String(Math.max(1, Math.floor(bits / 8)));
  return {
    type: 'egress-policer',
    other_config: map({ cir: bytes(ingressRate), cbs: bytes(ingressBurst) }),
    external_ids: map(ids),
  };
}

/** From the pod: kilobits a second and kilobits (policing of what comes into the switch). */
function policing({ options }: WantedPort): Row {
  const { egressRate = 0, egressBurst = 0 } = options?.bandwidth ?? {};
  if (egressRate === 0) return {};
  const kilobits = (bits: number): number => Math.max(1, Math.floor(bits / 1000));
  return { ingress_policing_rate: kilobits(egressRate), ingress_policing_burst: kilobits(egressBurst) };
}

function vlanColumns({ options = {} }: WantedPort): Row {
  if (options.vlan !== undefined) return { vlan_mode: 'access', tag: options.vlan };
  if (options.trunk !== undefined) return { vlan_mode: 'trunk', trunks: set(options.trunk) };
  return {};
}

export interface Placement {
  /** Mark of our ports. */
  readonly owner: string;
  /** Id of the row of the bridge. */
  readonly bridge: string;
  /** Where the pod listens. */
  readonly socketPath: string;
}

/** Operations that make a port on a bridge. */
export function insertPort(wanted: WantedPort, { owner, bridge, socketPath }: Placement): Row[] {
  const { name, mac, mtu } = wanted;
  const ids = marks(wanted, owner);
  const qos = qosRow(wanted, ids);
  const face = {
    name,
    type: 'dpdkvhostuserclient',
    options: map({ 'vhost-server-path': socketPath }),
    mtu_request: mtu,
    // Of a vhost-user port the pod's driver has the address; this tells it to those who look.
    external_ids: map({ ...ids, 'attached-mac': mac }),
    ...policing(wanted),
  };
  const port = {
    name,
    interfaces: named('face'),
    external_ids: map({ ...ids, [specKey]: specOf(wanted) }),
    ...vlanColumns(wanted),
    ...(qos === undefined ? {} : { qos: named('qos') }),
  };
  return [
    { op: 'insert', table: 'Interface', 'uuid-name': 'face', row: face },
    ...(qos === undefined ? [] : [{ op: 'insert', table: 'QoS', 'uuid-name': 'qos', row: qos }]),
    { op: 'insert', table: 'Port', 'uuid-name': 'port', row: port },
    changePorts(bridge, 'insert', named('port')),
  ];
}

/** Operations that take ports from whatever bridges have them; their interfaces go with them. */
export function deletePorts(bridges: readonly string[], port: string, qos: readonly string[]): Row[] {
  return [
    ...bridges.map((bridge) => changePorts(bridge, 'delete', uuid(port))),
    // Unlike an interface, a QoS that nobody refers to stays.
    ...(qos.length === 0
      ? []
      : [{ op: 'update', table: 'Port', where: where('_uuid', uuid(port)), row: { qos: set([]) } }]),
    ...qos.map((id) => ({ op: 'delete', table: 'QoS', where: where('_uuid', uuid(id)) })),
  ];
}

function changePorts(bridge: string, mutator: 'insert' | 'delete', port: readonly [string, string]): Row {
  const mutations = [['ports', mutator, set([port])]];
  return { op: 'mutate', table: 'Bridge', where: where('_uuid', uuid(bridge)), mutations };
}

/** State of an interface in the words of our own switch. */
export function stateOf(face: Row): string {
  return entries(face['status'])['status'] === 'connected' ? 'up' : 'connecting';
}

/** What comes into the switch is what the pod has sent. */
const ourNames: Readonly<Record<string, string>> = {
  rx_packets: 'tx_packets',
  rx_bytes: 'tx_bytes',
  tx_packets: 'rx_packets',
  tx_bytes: 'rx_bytes',
};

/** Statistics of an interface, by the names of our own switch where it has them. */
export function countersOf(face: Row): Record<string, string> {
  const [, pairs] = Array.isArray(face['statistics']) ? (face['statistics'] as unknown[]) : [];
  const known = Array.isArray(pairs) ? (pairs as unknown[][]) : [];
  return Object.fromEntries(
    known.map(([key, value]) => {
      const name = String(key);
      return [ourNames[name] ?? (name.startsWith('ovs_') ? name : `ovs_${name}`), String(value)];
    }),
  );
}

/** Why ovs-vswitchd does not have the interface; undefined when it has. */
export function failureOf(face: Row): string | undefined {
  const error = text(face['error']);
  if (error !== '') return error;
  // It takes away what it cannot configure, such as for want of memory when the pod connects, and says so in its log only.
  const known = (number(face['ofport']) ?? -1) >= 0;
  return known ? undefined : 'ovs-vswitchd gives no reason; its log may';
}

/** A port as the verbs see it. */
export function portOf(face: Row, port: Row): SwitchPort {
  const { features = '' } = entries(face['status']);
  const failure = failureOf(face);
  return {
    mac: entries(face['external_ids'])['attached-mac'] ?? '',
    mtu: Number(text(face['mtu_request'])),
    podRole: 'server',
    state: stateOf(face),
    features: /^0x[0-9a-f]+$/i.test(features) ? BigInt(features) : 0n,
    // Open vSwitch does not count them.
    connections: 0,
    lastError: failure ?? '',
    ...(failure === undefined ? {} : { failure }),
    ...(text(port['tag']) === '' ? {} : { vlan: Number(text(port['tag'])) }),
  };
}
