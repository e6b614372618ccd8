// SPDX-License-Identifier: Apache-2.0
//
// ADD: address and port, port.json, bind, tap, in that order, each with its undo beside it. The record is written before
// the first step and removed only when everything is undone, so that a DEL after any crash knows what to look for.

import { UsvhostError, usvError, usvFailure } from '../../lib/errors.ts';
import { checkPlace, hostPaths } from '../../lib/names.ts';
import type { PortContract } from '../../lib/port-contract.ts';
import { contains, derivedMac, parseAddress, parseCidr } from '../addresses.ts';
import { type Attachment, attachmentPaths, attachmentPort, tapAlias } from '../attachment.ts';
import type { Call, CniDeps, VerbDeps } from '../call.ts';
import { attachmentFields } from '../call-log.ts';
import { ownAddresses, type PluginConfig, readConfig } from '../config.ts';
import { chooseDevice } from '../device.ts';
import { deviceInfoDocument, deviceInfoName } from '../device-info.ts';
import { readArgs, readAttachment, readNetns } from '../environment.ts';
import { type Delegation, ipamAdd, ipamDel } from '../ipam.ts';
import { namedPod, podOf } from '../pod-identity.ts';
import { makePortDirectory } from '../port-directory.ts';
import { portDocument } from '../port-document.ts';
import { podRoleOf, portOptionsOf } from '../port-options.ts';
import {
  type CniIp,
  type CniResult,
  type CniRoute,
  mergeResult,
  readPrevious,
  toVersion,
} from '../result.ts';
import { bothEnded, errnoOf, type Steps, unless } from '../session.ts';
import type { StatInfo } from '../shim-protocol.ts';
import { standInForRecord } from '../stand-in.ts';
import { UndoStack } from '../undo.ts';
import { wantedPort } from '../wanted-port.ts';
import { dismantle, removePort } from './del.ts';

interface Plan {
  readonly attachment: Attachment;
  readonly config: PluginConfig;
  /** For people who look at the port. */
  readonly pod: PortContract['pod'];
  readonly delegation: Delegation | undefined;
  /** What the plugins before us in the list gave. */
  readonly previous: CniResult | undefined;
}

interface Addresses {
  readonly ips: readonly CniIp[];
  readonly routes: readonly CniRoute[];
  readonly dns: CniResult['dns'];
}

/** Does ADD and returns the result in the version of the request. */
export async function add(call: Call, deps: VerbDeps): Promise<Record<string, unknown>> {
  const plan = await makePlan(call, deps);
  if ('passedOn' in plan) return plan.passedOn;
  const { attachment, config } = plan;
  deps.log.know(attachmentFields(attachment));
  await requirePodDirectory(call.steps, attachment);
  await takePlace(call, deps, attachment);

  const undo = new UndoStack();
  try {
    undo.push('port of the switch and its directory', () => removePort(call.steps, deps, attachment.port));
    await makePortDirectory(call.steps, deps.switchPorts, attachment.port);
    // The switch makes the port while the address plugin runs: neither needs the other.
    const [addresses] = await bothEnded(
      lease(call.steps, plan, undo),
      deps.switchPorts.addPort(wantedPort(attachment)),
    );
    await writePort(call.steps, deps, plan, addresses);
    await bindPort(call.steps, attachment, undo);
    if (attachment.endpoint === 'tap') await makeTap(call.steps, plan, addresses, undo);
    await writeDeviceInfo(call.steps, attachment, undo);
    deps.store.put({ ...attachment, state: 'ready' });
    return toVersion(describe(deps, plan, addresses), config.cniVersion);
  } catch (error) {
    const failures = await undo.run();
    for (const { what, error: err } of failures) deps.log.warn({ what, err }, 'not undone');
    // What could not be undone is left to DEL, which the runtime calls after a failed ADD.
    if (failures.length === 0) deps.store.remove(attachment);
    throw error;
  }
}

/** What an ADD prints for a pod that holds no device: the result of the plugins before us, as it came. */
interface PassedOn {
  readonly passedOn: Record<string, unknown>;
}

async function makePlan(call: Call, deps: CniDeps): Promise<Plan | PassedOn> {
  const config = readConfig(call.input);
  const identity = podOf(readArgs(call.request));
  const env = readAttachment(call.request);
  const netns = readNetns(call.request);
  const ifname = checkPlace(config.ifName ?? env.ifname);
  const key = { containerId: env.containerId, ifname };
  const device = await chooseDevice(call, deps, config, key);
  if (device === undefined) return { passedOn: { ...config.prevResult } };
  const delegation =
    config.ipam === undefined
      ? undefined
      : { plugin: config.ipam.type, input: call.input, version: call.version, attachment: key };
  return {
    config,
    pod: namedPod(identity),
    delegation,
    previous: config.prevResult === undefined ? undefined : readPrevious(config.prevResult),
    attachment: {
      ...key,
      ...identity,
      runtimeIfname: env.ifname,
      port: attachmentPort(key),
      device,
      network: config.name,
      netns,
      mac: config.runtimeConfig?.mac ?? config.mac ?? derivedMac(key.containerId, ifname),
      mtu: config.mtu,
      endpoint: config.endpoint,
      podRole: podRoleOf(config, deps.switchPorts.abilities),
      portOptions: portOptionsOf(config, deps.switchPorts.abilities),
      state: 'adding',
      ipamConfig: delegation === undefined ? null : JSON.stringify(call.input),
      deviceInfo: deviceInfoName(config.runtimeConfig?.CNIDeviceInfoFile ?? '') ?? null,
    },
  };
}

async function requirePodDirectory(steps: Steps, { device, ifname, port }: Attachment): Promise<void> {
  const { podDir } = attachmentPaths(port, device, ifname);
  try {
    await steps.stat(podDir);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    throw usvFailure(
      'USV_DEVICE_UNKNOWN',
      `the device ${device} is not allocated to a pod: there is no ${podDir}`,
      {
        cause: error,
      },
    );
  }
}

// One container at a time holds a device's interface name. From the look-up to the record there is no await, so two calls
// cannot both find the place free.
async function takePlace(call: Call, deps: CniDeps, attachment: Attachment): Promise<void> {
  const cut = deps.store.get(attachment);
  if (cut !== undefined && cut.state !== 'ready') await dismantle(call, deps, cut);
  await clearPlace(call, deps, attachment);
  const holder = deps.store.findByPlace(attachment.device, attachment.ifname) ?? deps.store.get(attachment);
  if (holder !== undefined) {
    throw usvError('USV_PORT_OCCUPIED', {
      what: `${attachment.ifname} of the device ${attachment.device}`,
      expected: 'no port',
      got: `the port ${holder.port} of the container ${holder.containerId}`,
    });
  }
  deps.store.put(attachment);
}

// A DEL that was lost: nobody else comes before the reconciler's second look.
async function clearPlace(call: Call, deps: CniDeps, { device, ifname, netns }: Attachment): Promise<void> {
  const holder = deps.store.findByPlace(device, ifname);
  if (holder === undefined || !deps.isNamespaceGone(holder.netns, netns)) return;
  // Never waits for another container's turn: its call may be waiting for ours.
  if (deps.queue.busy(holder.containerId)) return;
  await deps.queue.run(holder.containerId, async () => {
    try {
      await dismantle({ ...standInForRecord(holder, call.steps), patient: true }, deps, holder);
    } catch (error) {
      if (!(error instanceof UsvhostError)) throw error;
      deps.log.warn({ port: holder.port, err: error }, 'a pod that is gone keeps its place');
    }
  });
}

async function lease(steps: Steps, { config, delegation }: Plan, undo: UndoStack): Promise<Addresses> {
  if (delegation === undefined) {
    const gateway = config.gateway;
    const ips = ownAddresses(config).map((address) => {
      const near =
        gateway !== undefined && contains(parsed(parseCidr, address), parsed(parseAddress, gateway));
      return near ? { address, gateway } : { address };
    });
    return { ips, routes: [], dns: config.dns };
  }
  // Before the ADD: an ADD that failed half-way is to be followed by a DEL (CNI 1.1.0, section 4).
  undo.push('addresses of the IPAM plugin', async () => {
    await ipamDel(steps, delegation);
  });
  const result = await ipamAdd(steps, delegation);
  const dns = Object.keys(result.dns ?? {}).length > 0 ? result.dns : config.dns;
  return { ips: result.ips ?? [], routes: result.routes ?? [], dns };
}

async function writePort(steps: Steps, deps: CniDeps, plan: Plan, addresses: Addresses): Promise<void> {
  const { attachment } = plan;
  const paths = attachmentPaths(attachment.port, attachment.device, attachment.ifname);
  const document = portDocument(deps.root, attachment, plan.config, addresses.ips, plan.pod);
  await steps.writeFile(paths.portJson, { mode: 0o644, uid: 0, gid: 0 }, document);
}

async function bindPort(steps: Steps, attachment: Attachment, undo: UndoStack): Promise<void> {
  const paths = attachmentPaths(attachment.port, attachment.device, attachment.ifname);
  const made = await unless(['EEXIST'], steps.mkdir(paths.podPort, { mode: 0o755, uid: 0, gid: 0 }));
  if (!made) requireEmptyPlace(paths.podPort, await steps.stat(paths.podPort));
  undo.push('directory of the pod', async () => {
    await unless(['ENOENT'], steps.rmdir(paths.podPort));
  });
  // Read-only, so that the pod, whatever its user, cannot touch the socket's name or port.json; where the pod listens, it has
  // to make the socket (docs/decisions/001-pod-as-server.md).
  if (attachment.podRole === 'client') await steps.bindReadOnly(paths.portDir, paths.podPort);
  else await steps.bindWritable(paths.portDir, paths.podPort);
  undo.push('bind mount', () => steps.unmount(paths.podPort));
}

// A directory may be left of a call that was cut; anything else is not ours to cover.
function requireEmptyPlace(what: string, found: StatInfo): void {
  const isDirectory = (found.mode & 0o170000) === 0o040000;
  if (isDirectory && !found.mountRoot) return;
  const got = isDirectory ? 'a mount without a record' : 'a file';
  throw usvError('USV_PORT_OCCUPIED', { what, expected: 'nothing or an empty directory', got });
}

async function makeTap(steps: Steps, plan: Plan, addresses: Addresses, undo: UndoStack): Promise<void> {
  const { ifname, port, mac, mtu } = plan.attachment;
  const alias = tapAlias(port);
  await steps.tapAdd({ ifname, alias, mac, mtu, uid: plan.config.uid, multiQueue: plan.config.queues > 1 });
  undo.push('tap', async () => {
    await unless(['ENODEV'], steps.tapDelete(ifname, alias));
  });
  for (const { address } of addresses.ips) {
    await steps.addressAdd(ifname, parsed(parseCidr, address));
  }
  await steps.linkUp(ifname);
  for (const route of addresses.routes) {
    const destination = parsed(parseCidr, route.dst);
    const gateway = route.gw ?? familyGateway(addresses.ips, destination.bytes.length);
    await steps.routeAdd(ifname, {
      ...route,
      destination,
      gateway: gateway === undefined ? undefined : parsed(parseAddress, gateway),
    });
  }
}

async function writeDeviceInfo(steps: Steps, attachment: Attachment, undo: UndoStack): Promise<void> {
  const { deviceInfo: name } = attachment;
  if (name === null) return;
  await steps.writeDeviceInfo(name, deviceInfoDocument(attachment.ifname, attachment.podRole));
  undo.push('device information', async () => {
    await unless(['ENOENT'], steps.removeDeviceInfo(name));
  });
}

// A route without a gateway takes that of the address of its family, as all plugins built on the reference library do.
function familyGateway(ips: readonly CniIp[], bytes: number): string | undefined {
  return ips.find(({ gateway, address }) => gateway !== undefined && address.includes(':') === (bytes === 16))
    ?.gateway;
}

function parsed<T>(parse: (text: string) => T | undefined, text: string): T {
  const value = parse(text);
  if (value !== undefined) return value;
  throw usvError('USV_IPAM', {
    what: 'the answer of the IPAM plugin',
    expected: 'an address',
    got: JSON.stringify(text),
  });
}

function describe(deps: CniDeps, { attachment, previous }: Plan, addresses: Addresses): CniResult {
  const { ifname: name, mac, mtu, netns: sandbox, port } = attachment;
  return mergeResult(previous, {
    interface: { name, mac, mtu, sandbox, socketPath: hostPaths(deps.root).portSocket(port) },
    ...addresses,
  });
}
