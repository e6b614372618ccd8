// SPDX-License-Identifier: Apache-2.0
//
// CHECK: is the attachment still as ADD made it? Compares the record, prevResult, the bind mount, the socket with owner and mode, the tap with
// MAC, MTU and addresses, and the switch's port with its peer. It changes nothing.

import { usvError } from '../../lib/errors.ts';
import { parseCidr, samePrefix } from '../addresses.ts';
import { type Attachment, attachmentPaths, tapAlias } from '../attachment.ts';
import { type Call, type CniDeps, portSocketMode, type VerbDeps } from '../call.ts';
import { attachmentFields } from '../call-log.ts';
import { readConfig, requireVersion } from '../config.ts';
import { chooseDevice } from '../device.ts';
import { readAttachment, readNetns } from '../environment.ts';
import { ipamCheck } from '../ipam.ts';
import { type CniResult, readPrevious } from '../result.ts';
import { errnoOf, type Steps } from '../session.ts';

/** st_mode: the type bits, and a socket's. */
const typeBits = 0o170000;
const socketType = 0o140000;
const interfaceUp = 1;
/** VIRTIO_F_VERSION_1 (virtio 1.2, 6): the only layout of rings and headers that the switch has. */
const virtioVersion1 = 1n << 32n;

export async function check(call: Call, deps: VerbDeps): Promise<void> {
  requireVersion('CHECK', call.version, '0.4.0');
  const config = readConfig(call.input);
  const env = readAttachment(call.request);
  const netns = readNetns(call.request);
  if (config.prevResult === undefined) {
    throw usvError('USV_CONFIG', {
      what: 'prevResult',
      expected: 'the result of ADD',
      got: 'nothing',
      cni: 7,
    });
  }
  const previous = readPrevious(config.prevResult);
  const key = { containerId: env.containerId, ifname: config.ifName ?? env.ifname };
  const record = deps.store.get(key);
  deps.log.know(record === undefined ? key : attachmentFields(record));
  // Chained, for a pod that holds no port: ADD has made nothing.
  const known = record !== undefined || deps.devicesOfPod === undefined;
  if (!known && (await chooseDevice(call, deps, config, key)) === undefined) return;
  if (record?.state !== 'ready') {
    const what = `the attachment ${key.ifname} of ${key.containerId}`;
    throw usvError('USV_CHECK', { what, expected: 'a finished ADD', got: record?.state ?? 'none' });
  }
  const addresses = checkPrevious(previous, record, netns);
  if (config.ipam !== undefined) {
    const { type: plugin } = config.ipam;
    await ipamCheck(call.steps, { plugin, input: call.input, version: call.version, attachment: key });
  }
  await checkMount(call.steps, deps, record);
  if (record.endpoint === 'tap') await checkTap(call.steps, record, addresses);
  await checkPort(deps, record);
}

// Right after ADD nobody has connected yet, and after a restart of the switch nobody yet again: both are well.
async function checkPort(deps: CniDeps, record: Attachment): Promise<void> {
  const what = `the port ${record.port} of the switch`;
  const port = await deps.switchPorts.findPort(record.port);
  if (port === undefined) throw usvError('USV_CHECK', { what, expected: 'to be there', got: 'none' });
  same(`mac of ${what}`, record.mac, port.mac);
  same(`mtu of ${what}`, String(record.mtu), String(port.mtu));
  if (port.network !== undefined)
    same(`network of ${what}`, record.network, port.network === '' ? 'none' : port.network);
  same(`role of the pod at ${what}`, record.podRole, port.podRole);
  if (port.failure !== undefined)
    throw usvError('USV_CHECK', { what, expected: 'to work', got: port.failure });
  if (['listening', 'connecting'].includes(port.state) && port.connections > 0) {
    const got = port.lastError === '' ? 'none any more' : `none any more (${port.lastError})`;
    throw usvError('USV_CHECK', { what: `the peer of ${what}`, expected: 'a connected front-end', got });
  }
  if (port.state === 'up') {
    const modern = (port.features & virtioVersion1) !== 0n;
    const features = `0x${port.features.toString(16)}`;
    same(`features of ${what}`, 'VIRTIO_F_VERSION_1', modern ? 'VIRTIO_F_VERSION_1' : features);
  }
}

const octal = (mode: number): string => `0${mode.toString(8)}`;

function same(what: string, expected: string, got: string): void {
  if (expected !== got) throw usvError('USV_CHECK', { what, expected, got });
}

// Returns the addresses that prevResult has for our interface.
function checkPrevious(previous: CniResult, record: Attachment, netns: string): string[] {
  const index = (previous.interfaces ?? []).findIndex(
    ({ name, sandbox }) => name === record.ifname && sandbox === netns,
  );
  const ours = previous.interfaces?.[index];
  same(
    `the interface ${record.ifname} in prevResult`,
    'listed',
    ours === undefined ? 'not listed' : 'listed',
  );
  same(`mac of ${record.ifname} in prevResult`, record.mac, ours?.mac?.toLowerCase() ?? 'none');
  return (previous.ips ?? []).filter((ip) => ip.interface === index).map(({ address }) => address);
}

async function checkMount(steps: Steps, deps: CniDeps, record: Attachment): Promise<void> {
  const paths = attachmentPaths(record.port, record.device, record.ifname);
  const place = await present(paths.podPort, steps.stat(paths.podPort));
  same(paths.podPort, 'a bind mount', place.mountRoot ? 'a bind mount' : 'no mount');
  const source = await present(paths.portDir, steps.stat(paths.portDir));
  const where = `the directory ${paths.portDir}`;
  same(paths.podPort, where, place.identity === source.identity ? where : 'another one');
  if (deps.switchPorts.abilities.portDirectory === 'shim')
    same(paths.portDir, 'a mount', source.mountRoot ? 'a mount' : 'no mount');
  // Where the pod listens, the socket is there when the pod wants it, and port.json is the pod's to lose.
  if (record.podRole === 'server') return;
  const socket = await present(paths.portSocket, steps.stat(paths.portSocket));
  same(
    paths.portSocket,
    'a socket',
    (socket.mode & typeBits) === socketType ? 'a socket' : 'another kind of file',
  );
  // Both are the switch's.
  same(`owner of ${paths.portSocket}`, `${source.uid}:${source.gid}`, `${socket.uid}:${socket.gid}`);
  same(`mode of ${paths.portSocket}`, octal(portSocketMode), octal(socket.mode & ~typeBits));
  await present(paths.portJson, steps.stat(paths.portJson));
}

async function checkTap(steps: Steps, record: Attachment, addresses: readonly string[]): Promise<void> {
  const { ifname } = record;
  const link = await present(ifname, steps.linkGet(ifname));
  const alias = tapAlias(record.port);
  same(
    ifname,
    `a tap with the alias ${alias}`,
    `a ${link.kind === 'tun' ? 'tap' : link.kind} with the alias ${link.alias}`,
  );
  same(`mac of ${ifname}`, record.mac, link.mac);
  same(`mtu of ${ifname}`, String(record.mtu), String(link.mtu));
  same(ifname, 'up', (link.flags & interfaceUp) === 0 ? 'down' : 'up');
  const held = await steps.addressList(ifname);
  for (const text of addresses) {
    const wanted = parseCidr(text);
    const there = wanted !== undefined && held.some((prefix) => samePrefix(prefix, wanted));
    same(`the address ${text} on ${ifname}`, 'there', there ? 'there' : 'missing');
  }
}

async function present<T>(what: string, step: Promise<T>): Promise<T> {
  try {
    return await step;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== 'ENOENT' && errno !== 'ENODEV') throw error;
    throw usvError('USV_CHECK', { what, expected: 'to be there', got: errno, cause: error });
  }
}
