// SPDX-License-Identifier: Apache-2.0
//
// DEL: takes away whatever of an attachment is there. Everything absent is a success; it works without CNI_NETNS, without
// prevResult, without a record, with a configuration that ADD refused, and with the switch away.

import { UsvhostError, usvFailure } from '../../lib/errors.ts';
import {
  type Attachment,
  type AttachmentKey,
  attachmentPaths,
  attachmentPort,
  tapAlias,
} from '../attachment.ts';
import type { Call, CniDeps, VerbDeps } from '../call.ts';
import { attachmentFields } from '../call-log.ts';
import { parseStdin, readForDelete } from '../config.ts';
import { deviceInfoName } from '../device-info.ts';
import { readAttachment } from '../environment.ts';
import { type Delegation, ipamDel } from '../ipam.ts';
import { emptyPortDirectory } from '../port-directory.ts';
import { bothEnded, errnoOf, type Steps, unless } from '../session.ts';

/** A pod can have been bound several times only by a defect; the bound keeps a defect from becoming a loop. */
const maxMounts = 16;

export async function del(call: Call, deps: VerbDeps): Promise<void> {
  const env = readAttachment(call.request);
  const config = readForDelete(call.input);
  const key: AttachmentKey = { containerId: env.containerId, ifname: config.ifName ?? env.ifname };
  const port = attachmentPort(key);
  deps.log.know({ ...key, port });
  const { steps } = call;
  const info = deviceInfoName(config.deviceInfoFile ?? '');
  if (info !== undefined) await unless(['ENOENT'], steps.removeDeviceInfo(info));
  const record = deps.store.get(key);
  if (record !== undefined) {
    deps.log.know(attachmentFields(record));
    await dismantle(call, deps, record);
    return;
  }
  await removeTap(steps, call, key.ifname, port);
  // Without a record the device may by now be another container's.
  const device = config.device === undefined ? undefined : deps.leadDevice(config.device);
  const free = device !== undefined && deps.store.findByPlace(device, key.ifname) === undefined;
  if (free) await removeMount(steps, deps, device, key.ifname, port);
  await removePort(steps, deps, port);
  if (config.ipamType !== undefined) {
    const { input, version, behalf } = call;
    const { ipamType: plugin } = config;
    await giveBack(call, deps, { plugin, input, version, attachment: key, args: behalf?.args });
  }
}

/** Takes away what a record names, then the record. Also for GC, and for an ADD that finds the rest of one that was cut. */
export async function dismantle(call: Call, deps: CniDeps, record: Attachment): Promise<void> {
  const { steps } = call;
  deps.store.put({ ...record, state: 'deleting' });
  const { deviceInfo } = record;
  if (deviceInfo !== null) await unless(['ENOENT'], steps.removeDeviceInfo(deviceInfo));
  // The kernel takes its time to remove an interface; the switch needs no step of the shim.
  await bothEnded(
    removeTap(steps, call, record.ifname, record.port, record.netns),
    takeFromSwitch(deps, record.port),
  );
  await removeMount(steps, deps, record.device, record.ifname, record.port);
  await removePortDirectory(steps, deps, record.port);
  const delegation = ipamOf(call, record);
  if (delegation !== undefined) await giveBack(call, deps, delegation);
  deps.store.remove(record);
}

// The configuration of the ADD, not that of the DEL: the address is to be given back where it was taken.
function ipamOf(call: Call, record: Attachment): Delegation | undefined {
  if (record.ipamConfig === null) return undefined;
  const input = parseStdin(Buffer.from(record.ipamConfig));
  const plugin = readForDelete(input).ipamType;
  if (plugin === undefined) return undefined;
  return { plugin, input, version: call.version, attachment: record, args: call.behalf?.args };
}

// A plugin that is not installed any more holds up no pod's end, but its addresses do not go without a word.
async function giveBack({ steps, patient }: Call, deps: CniDeps, delegation: Delegation): Promise<void> {
  if (await ipamDel(steps, delegation)) return;
  const { plugin, attachment } = delegation;
  if (patient === true) throw usvFailure('USV_IPAM', `the IPAM plugin ${plugin} is not on CNI_PATH`);
  const { containerId, ifname } = attachment ?? {};
  const text = 'the IPAM plugin is not on CNI_PATH: if it gave addresses, they are not given back';
  deps.log.warn({ plugin, containerId, ifname }, text);
}

async function removeTap(
  steps: Steps,
  { request, behalf }: Call,
  ifname: string,
  port: string,
  recorded = '',
): Promise<void> {
  const alias = tapAlias(port);
  const netns = behalf === undefined ? (request.netns ?? '') : recorded;
  // Without one the namespace is going away, and the tap with it.
  if (netns === '') return;
  const step =
    behalf === undefined ? steps.tapDelete(ifname, alias) : steps.tapDeleteIn(netns, ifname, alias);
  // ENODEV: no such interface; EPERM: not our tap; ENOENT and EINVAL: the namespace is gone, or its path is a plain file.
  await unless(['ENODEV', 'EPERM', 'ENOENT', 'EINVAL'], step);
}

async function removeMount(
  steps: Steps,
  deps: CniDeps,
  device: string,
  ifname: string,
  port: string,
): Promise<void> {
  const { podPort } = attachmentPaths(port, device, ifname);
  for (let n = 0; n < maxMounts; n++) {
    // EINVAL: no mount there any more.
    if (!(await unless(['EINVAL', 'ENOENT'], steps.unmount(podPort)))) break;
  }
  try {
    await steps.rmdir(podPort);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT') return;
    if (errno !== 'ENOTEMPTY' && errno !== 'ENOTDIR') throw error;
    // The pod owns its directory and may have put things there; they must not hold up its deletion.
    deps.log.warn({ podPort, errno }, 'the pod left something in the place of its port');
  }
}

/** Takes the port from the switch, now or when it can be reached, and what is left of its directory. */
export async function removePort(steps: Steps, deps: CniDeps, port: string): Promise<void> {
  await takeFromSwitch(deps, port);
  await removePortDirectory(steps, deps, port);
}

async function takeFromSwitch(deps: CniDeps, port: string): Promise<void> {
  try {
    await deps.switchPorts.removePort(port);
  } catch (error) {
    if (!(error instanceof UsvhostError)) throw error;
    // A switch that is gone has no ports; one that only does not answer is told when it does.
    deps.store.buryPort(port);
    deps.log.warn({ port, err: error }, 'the switch could not be asked to remove the port');
  }
}

async function removePortDirectory(steps: Steps, deps: CniDeps, port: string): Promise<void> {
  await emptyPortDirectory(steps, deps.switchPorts, port);
  const { portDir, portJson, portSocket } = attachmentPaths(port, 'x', 'x');
  for (const file of [portJson, portSocket]) await unless(['ENOENT', 'EISDIR'], steps.unlink(file));
  if (!(await removeDirectory(steps, portDir))) return;
  deps.log.info({ port }, 'the port directory that the switch left is gone');
}

/** Set on a directory that was open to its pod, as the switch does it. */
const stickyBit = 0o1000;

/**
 * True when a directory was removed. A pod that listened may have left what a switch without privileges can neither enter
 * nor remove, such as a directory of another user; elsewhere what is not ours stays.
 */
async function removeDirectory(steps: Steps, directory: string): Promise<boolean> {
  try {
    await steps.rmdir(directory);
    return true;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== 'ENOTEMPTY') {
      if (errno === 'ENOENT') return false;
      throw error;
    }
  }
  if (((await steps.stat(directory)).mode & stickyBit) === 0) return false;
  await steps.empty(directory);
  return unless(['ENOENT', 'ENOTEMPTY'], steps.rmdir(directory));
}
