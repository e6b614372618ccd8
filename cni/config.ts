// SPDX-License-Identifier: Apache-2.0
//
// The network configuration a runtime hands to the plugin of type `usvhost` (CNI 1.1.0, section 1). Strict: a key that
// would be ignored is an error, because the user meant something by it. Only DEL reads leniently (readForDelete).

import * as z from 'zod';
import { UsvhostError, usvError } from '../lib/errors.ts';
import { isStationMac } from '../lib/mac-address.ts';
import { checkDevice, checkIfname } from '../lib/names.ts';
import { contains, parseAddress, parseCidr } from './addresses.ts';
import { deviceInfoName } from './device-info.ts';
import { bandwidthSchema, trunkSchema, vlanSchema } from './port-options.ts';

/** Versions of the CNI specification, oldest first; native/shim/cni_output.cc prints the same list. */
export const supportedVersions = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;
export type CniVersion = (typeof supportedVersions)[number];
export const latestVersion: CniVersion = '1.1.0';

/** `a` is the version `b` or a later one. */
export function isAtLeast(a: CniVersion, b: CniVersion): boolean {
  return supportedVersions.indexOf(a) >= supportedVersions.indexOf(b);
}

/** Throws USV_CNI_VERSION when a command is younger than the version of the call. */
export function requireVersion(command: string, version: CniVersion, least: CniVersion): void {
  if (isAtLeast(version, least)) return;
  const what = `cniVersion of a ${command}`;
  throw usvError('USV_CNI_VERSION', { what, expected: `at least ${least}`, got: version });
}

function passes(check: (text: string) => unknown): (text: string) => boolean {
  return (text) => {
    try {
      check(text);
      return true;
    } catch (error) {
      if (error instanceof UsvhostError) return false;
      throw error;
    }
  };
}

const mac = z
  .string()
  .toLowerCase()
  .regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/u, { error: 'expected aa:bb:cc:dd:ee:ff', abort: true })
  .refine(isStationMac, 'expected a unicast MAC address other than zero');
const cidr = z.string().refine((text) => parseCidr(text) !== undefined, 'expected ADDRESS/PREFIX');
const cidrs = z.array(cidr).max(32);
const address = z.string().refine((text) => parseAddress(text) !== undefined, 'expected an IP address');
const device = z.string().refine(passes(checkDevice), 'expected the name of a device of usvhost.io/port');
const deviceInfoFile = z
  .string()
  .refine(
    (path) => deviceInfoName(path) !== undefined,
    'expected a file in /var/run/k8s.cni.cncf.io/devinfo/cni',
  );
const ifname = z.string().refine(passes(checkIfname), 'expected an interface name of 1 to 15 bytes');

const schema = z.strictObject({
  cniVersion: z.enum(supportedVersions),
  name: z
    .string()
    .regex(
      /^[A-Za-z0-9][A-Za-z0-9_.-]*$/u,
      'expected a letter or digit, then letters, digits, "_", "." or "-"',
    )
    .max(253, 'expected at most 253 characters')
    .describe('Name of the network: ports of one name reach each other on `usvhost switch`, and no others.'),
  type: z.literal('usvhost'),
  endpoint: z
    .enum(['tap', 'socket'])
    .default('tap')
    .describe(
      '`tap`: an interface in the pod, fed by the sidecar; `socket`: the application opens the socket itself.',
    ),
  podRole: z
    .enum(['client', 'server'])
    .optional()
    .describe(
      "The pod's role on the socket: `client` connects, `server` listens and the switch connects. Default `client`, with Open vSwitch `server`, the only one there.",
    ),
  vlan: vlanSchema
    .optional()
    .describe('VLAN of the untagged frames of the pod, 1 to 4094. Open vSwitch only.'),
  trunk: trunkSchema
    .optional()
    .describe(
      'VLANs that the pod uses with tags, `[{"id": 5}, {"minID": 10, "maxID": 12}]`. Open vSwitch only.',
    ),
  ifName: ifname
    .optional()
    .describe('Interface to make when it is not CNI_IFNAME, as behind another plugin in a list.'),
  mac: mac.optional().describe('MAC of the pod side; default derived from container and interface.'),
  mtu: z.int().min(68).max(9702).default(1500).describe('Largest layer 3 packet in bytes.'),
  queues: z.int().min(1).max(8).default(1).describe('Queue pairs.'),
  queueSize: z
    .int()
    .min(16)
    .max(32768)
    .refine((size) => (size & (size - 1)) === 0, 'expected a power of two')
    .default(256)
    .describe('Descriptors of a ring.'),
  uid: z.int().min(0).max(0xfffffffe).default(0).describe('User that may attach to the tap.'),
  ips: cidrs.optional().describe('Addresses of the interface when there is no ipam.'),
  gateway: address.optional().describe('Gateway stated with the address of `ips` whose subnet holds it.'),
  deviceID: device.optional().describe('Device of the pod, as Multus adds it.'),
  pciBusID: z.string().optional().describe('Added by Multus beside deviceID; not used.'),
  ipam: z
    .looseObject({ type: z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$/u, 'expected a plugin name') })
    .optional(),
  dns: z
    .strictObject({
      nameservers: z.array(z.string()).optional(),
      domain: z.string().optional(),
      search: z.array(z.string()).optional(),
      options: z.array(z.string()).optional(),
    })
    .optional(),
  capabilities: z.record(z.string(), z.boolean()).optional(),
  runtimeConfig: z
    .strictObject({
      mac: mac.optional(),
      ips: cidrs.optional(),
      deviceID: device.optional(),
      CNIDeviceInfoFile: deviceInfoFile.optional(),
      bandwidth: bandwidthSchema.optional(),
    })
    .optional(),
  args: z.looseObject({}).optional(),
  prevResult: z.looseObject({}).optional(),
});

export type PluginConfig = z.output<typeof schema>;

/** Parses standard input to an object. Throws USV_STDIN_JSON. */
export function parseStdin(stdin: Buffer): Record<string, unknown> {
  const what = 'the network configuration on standard input';
  let value: unknown;
  try {
    value = JSON.parse(stdin.toString('utf8'));
  } catch (cause) {
    const got = stdin.length === 0 ? 'nothing' : cause instanceof Error ? cause.message : String(cause);
    throw usvError('USV_STDIN_JSON', { what, expected: 'a JSON object', got, cause });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return Object.fromEntries(Object.entries(value));
  throw usvError('USV_STDIN_JSON', { what, expected: 'a JSON object', got: shown(value) });
}

/** The version of a configuration. Throws USV_CNI_VERSION. */
export function readVersion(input: Readonly<Record<string, unknown>>): CniVersion {
  const version = supportedVersions.find((known) => known === input['cniVersion']);
  if (version !== undefined) return version;
  throw usvError('USV_CNI_VERSION', {
    what: 'cniVersion',
    expected: `one of ${supportedVersions.join(', ')}`,
    got: shown(input['cniVersion']),
  });
}

/** Checks a whole configuration. Throws USV_CNI_VERSION, USV_CNI_FIELD (unknown key) or USV_CONFIG (wrong value). */
export function readConfig(input: Readonly<Record<string, unknown>>): PluginConfig {
  readVersion(input);
  const parsed = schema.safeParse(input);
  if (!parsed.success) throw issueError(input, parsed.error.issues);
  const config = parsed.data;
  if (config.ipam !== undefined && (config.ips !== undefined || config.gateway !== undefined)) {
    const given = config.ips === undefined ? 'gateway' : 'ips';
    throw usvError('USV_CONFIG', {
      what: given,
      expected: 'no such key beside ipam',
      got: shown(input[given]),
      cni: 7,
    });
  }
  if (config.gateway !== undefined) checkGateway(config.gateway, ownAddresses(config));
  const small = ownAddresses(config).find((text) => text.includes(':') && config.mtu < 1280);
  if (small !== undefined) {
    const what = `mtu of a network with the IPv6 address ${small}`;
    throw usvError('USV_CONFIG', { what, expected: 'at least 1280', got: String(config.mtu), cni: 7 });
  }
  return config;
}

/** Addresses that do not come from an IPAM plugin: those of the runtime before those of the configuration. */
export function ownAddresses(config: PluginConfig): readonly string[] {
  return config.ipam === undefined ? (config.runtimeConfig?.ips ?? config.ips ?? []) : [];
}

/** The device of the attachment as the runtime names it. */
export function givenDevice(config: Pick<PluginConfig, 'runtimeConfig' | 'deviceID'>): string | undefined {
  return config.runtimeConfig?.deviceID ?? config.deviceID;
}

/** What DEL needs. */
export interface DeleteConfig {
  readonly device: string | undefined;
  readonly ipamType: string | undefined;
  readonly ifName: string | undefined;
  readonly deviceInfoFile: string | undefined;
}

/**
 * Reads a configuration for DEL, which has to work with one that ADD refused or that is from another release: keys that
 * cannot be used are taken as absent.
 */
export function readForDelete(input: Readonly<Record<string, unknown>>): DeleteConfig {
  const { shape } = schema;
  const runtime = usable(z.looseObject({}), input['runtimeConfig']);
  return {
    device: usable(device, runtime?.['deviceID']) ?? usable(shape.deviceID, input['deviceID']),
    ipamType: usable(shape.ipam, input['ipam'])?.type,
    ifName: usable(shape.ifName, input['ifName']),
    deviceInfoFile: usable(deviceInfoFile, runtime?.['CNIDeviceInfoFile']),
  };
}

/** What GC needs. */
export interface GcConfig {
  readonly network: string;
  readonly ipamType: string | undefined;
  /** Attachments that are to stay, under the names the runtime has for them. */
  readonly valid: readonly { readonly containerID: string; readonly ifname: string }[];
}

const attachments = z.array(z.looseObject({ containerID: z.string(), ifname: z.string() })).nullish();

/**
 * Reads a configuration for GC, leniently as for DEL: what an ADD would refuse may still be cleaned up. A runtime that
 * sends no list has no attachment; one that cannot be read is an error. Throws USV_CONFIG.
 */
export function readForGc(input: Readonly<Record<string, unknown>>): GcConfig {
  const network = schema.shape.name.safeParse(input['name']);
  if (!network.success) throw issueError(input, withPath('name', network.error.issues));
  const known = ['cni.dev/valid-attachments', 'cni.dev/attachments']; // the second is that of older runtimes
  const key = known.find((each) => input[each] !== undefined) ?? '';
  const valid = attachments.safeParse(input[key]);
  if (!valid.success) throw issueError(input, withPath(key, valid.error.issues));
  const { ipamType } = readForDelete(input);
  return { network: network.data, ipamType, valid: valid.data ?? [] };
}

const withPath = (key: string, issues: readonly z.core.$ZodIssue[]): z.core.$ZodIssue[] =>
  issues.map((issue) => ({ ...issue, path: [key, ...issue.path] }));

function usable<T>(part: z.ZodType<T>, value: unknown): T | undefined {
  const parsed = part.safeParse(value);
  return parsed.success ? parsed.data : undefined;
}

function checkGateway(gateway: string, ips: readonly string[]): void {
  const bytes = parseAddress(gateway) ?? new Uint8Array();
  const inside = ips.some((text) => {
    const prefix = parseCidr(text);
    return prefix !== undefined && contains(prefix, bytes);
  });
  if (inside) return;
  const got = `${gateway} beside ${ips.length === 0 ? 'no ips' : ips.join(', ')}`;
  throw usvError('USV_CONFIG', {
    what: 'gateway',
    expected: 'an address in the subnet of one of ips',
    got,
    cni: 7,
  });
}

const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
};

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    input,
  );
}

function issueError(input: unknown, issues: readonly z.core.$ZodIssue[]): UsvhostError {
  const issue = issues[0];
  if (issue === undefined)
    return usvError('USV_CONFIG', { what: 'the configuration', expected: 'a valid one', got: '?' });
  if (issue.code === 'unrecognized_keys') {
    const path = [...issue.path, issue.keys[0] ?? ''];
    const what = `the key ${path.join('.')}`;
    return usvError('USV_CNI_FIELD', { what, expected: 'no such key', got: shown(valueAt(input, path)) });
  }
  const expected = issue.message.replace(/^(?:Invalid input: )?expected /u, '');
  const what = issue.path.join('.');
  return usvError('USV_CONFIG', { what, expected, got: shown(valueAt(input, issue.path)), cni: 7 });
}
