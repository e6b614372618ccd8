// SPDX-License-Identifier: Apache-2.0
//
// What a pod wishes, from its annotations. A wish that cannot be understood is refused in words: an annotation that had no
// effect would be found out much later.

import { type UsvhostError, usvError } from '../lib/errors.ts';
import { memPlace } from '../lib/names.ts';

const domain = 'usvhost.io/';
const injectName = `${domain}inject`;
const networksName = `${domain}networks`;
const endpointName = `${domain}endpoint`;
const containerName = `${domain}container`;
const slicePattern = /^usvhost\.io\/((?:shm|hugepages)-[1-9]\d{0,4}Mi)$/;
/** Multus takes nothing else in its short form, for names of all three kinds. */
const namePattern = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
/** A slice is a file of a pool, which has at most so many (lib/config/agent.ts). */
const mostSlices = 1024;
/** Interfaces that a pod has already, and the place of the slices. */
const takenInterfaces = ['lo', 'eth0', memPlace];

export interface NetworkName {
  /** Absent: the pod's own. */
  readonly namespace?: string;
  readonly name: string;
  /** Absent: as Multus numbers them. */
  readonly ifname?: string;
}

export interface Wish {
  /** Each takes one port. */
  readonly networks: readonly NetworkName[];
  readonly endpoint: 'tap' | 'socket';
  /** Which container gets ports and slices with the endpoint socket; absent: the first. */
  readonly container?: string;
  /** Last part of a slice's resource, `shm-64Mi`, with how many. */
  readonly slices: ReadonlyMap<string, number>;
}

export interface Rules {
  readonly attach: 'multus' | 'chained';
  readonly defaultNetwork: string;
  readonly maxPorts: number;
  /** The namespace asks for all its pods. */
  readonly forced: boolean;
}

/** Words of a pod's author in an answer to him: quoted, and not without end. */
export function quote(value: string): string {
  const text = JSON.stringify(value);
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

export function refusal(annotation: string, expected: string, got: string): UsvhostError {
  return usvError('USV_ANNOTATION', { what: `the annotation ${annotation}`, expected, got });
}

/** Undefined: the pod does not want anything. @throws UsvhostError USV_ANNOTATION */
export function readWish(annotations: Readonly<Record<string, string>>, rules: Rules): Wish | undefined {
  const own = new Map(Object.entries(annotations).filter(([name]) => name.startsWith(domain)));
  const inject = readChoice(own, injectName, ['true', 'false']);
  if (inject === 'false') return undefined;
  for (const name of own.keys()) checkKnown(name);
  const list = own.get(networksName);
  if (inject === undefined && list === undefined && !rules.forced) {
    const [lonely] = own.keys();
    if (lonely === undefined) return undefined;
    throw refusal(lonely, `${injectName} or ${networksName} beside it`, 'neither');
  }
  const endpoint = readChoice(own, endpointName, ['tap', 'socket']) ?? 'tap';
  const container = own.get(containerName);
  const slices = readSlices(own);
  if (endpoint === 'tap') {
    // The sidecar is ours, and its driver cannot be told the path of a slice that the kubelet has not chosen yet.
    const socketOnly = [containerName, ...[...slices.keys()].map((slice) => domain + slice)];
    const given = socketOnly.find((name) => own.has(name));
    if (given !== undefined) throw refusal(endpointName, `"socket" because of ${given}`, '"tap"');
  }
  return {
    networks: list === undefined ? [defaultNetwork(rules)] : readNetworks(list, rules),
    endpoint,
    ...(container === undefined ? {} : { container }),
    slices,
  };
}

function checkKnown(annotation: string): void {
  if ([injectName, networksName, endpointName, containerName].includes(annotation)) return;
  if (slicePattern.test(annotation)) return;
  const expected = 'inject, networks, endpoint, container, shm-<n>Mi or hugepages-<n>Mi after usvhost.io/';
  throw refusal(quote(annotation), expected, 'an unknown name');
}

function readChoice<Choice extends string>(
  own: ReadonlyMap<string, string>,
  name: string,
  choices: readonly Choice[],
): Choice | undefined {
  const value = own.get(name);
  if (value === undefined) return undefined;
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  throw refusal(name, choices.map((choice) => `"${choice}"`).join(' or '), quote(value));
}

function readSlices(own: ReadonlyMap<string, string>): Map<string, number> {
  const slices = new Map<string, number>();
  for (const [name, value] of own) {
    const slice = slicePattern.exec(name)?.[1];
    if (slice === undefined) continue;
    const count = /^[1-9]\d{0,3}$/.test(value) ? Number(value) : Number.NaN;
    if (!(count <= mostSlices)) throw refusal(name, `a number from "1" to "${mostSlices}"`, quote(value));
    slices.set(slice, count);
  }
  return slices;
}

function defaultNetwork({ defaultNetwork: text }: Rules): NetworkName {
  const [name = '', namespace] = text.split('/').reverse();
  return namespace === undefined ? { name } : { namespace, name };
}

function readNetworks(list: string, { attach, maxPorts }: Rules): NetworkName[] {
  if (attach === 'chained') {
    const expected = `${injectName}: "true" instead, since this cluster has one network of usvhost for all pods,`;
    throw refusal(networksName, expected, quote(list));
  }
  const items = list.split(',').map((item) => item.trim());
  if (items.length > maxPorts)
    throw refusal(networksName, `at most ${maxPorts} networks, the ports of a node,`, String(items.length));
  const networks = items.map(readNetwork);
  const ifnames = networks.flatMap(({ ifname }) => ifname ?? []);
  const twice = ifnames.find((ifname, index) => ifnames.indexOf(ifname) !== index);
  if (twice !== undefined) throw refusal(networksName, 'each interface once', `${quote(twice)} twice`);
  return networks;
}

function readNetwork(item: string): NetworkName {
  const [, namespace, name = '', ifname] = /^(?:([^/@]*)\/)?([^/@]*)(?:@([^/@]*))?$/.exec(item) ?? [];
  const parts = [namespace, name, ifname].filter((part) => part !== undefined);
  if (parts.some((part) => !namePattern.test(part) || part.length > 253))
    throw refusal(networksName, 'NAME, NAMESPACE/NAME or NAME@INTERFACE of a-z, 0-9 and -', quote(item));
  if (ifname !== undefined && (ifname.length > 15 || takenInterfaces.includes(ifname))) {
    const expected = `an interface of at most 15 characters other than ${takenInterfaces.join(', ')}`;
    throw refusal(networksName, expected, quote(ifname));
  }
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(ifname === undefined ? {} : { ifname }),
  };
}
