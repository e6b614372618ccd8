// SPDX-License-Identifier: Apache-2.0
//
// The conformance check of a port's directory: from the directory itself to what the back-end offers, each in words. It
// changes nothing; it connects to the socket for the length of two questions.

import { existsSync, globSync, lstatSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { errnoOf } from '../../lib/errno.ts';
import { protocolFeatures, version1Bit, virtioFeatures } from '../../lib/feature-names.ts';
import { socketPathLimit } from '../../lib/names.ts';
import type { PortContract } from '../../lib/port-contract.ts';
import { askBackEnd } from './exchange.ts';
import { type Finding, note, ok, skipped, wrong } from './finding.ts';
import { checkPortJson } from './port-json.ts';

export interface PortCheck {
  readonly directory: string;
  readonly conforms: boolean;
  /** A driver has the port. Where the pod listens: its driver is there. */
  readonly connected: boolean;
  readonly findings: readonly Finding[];
  /** Of the back-end, by name, when it answered. */
  readonly offers?: { readonly virtio: readonly string[]; readonly protocol: readonly string[] };
  /** The port as device arguments of DPDK, when port.json could be read. */
  readonly devargs?: string;
}

export interface CheckOptions {
  /** Names of the network interfaces here. Default: those of this process's network namespace. */
  readonly interfaces?: () => readonly string[];
  /** Longest wait for the back-end. Default 5000. */
  readonly millis?: number;
}

/** Checks the directory of one port, in its pod or on the node. */
export async function checkPort(given: string, options: CheckOptions = {}): Promise<PortCheck> {
  const directory = onlyPortOf(resolve(given));
  const place = checkDirectory(directory);
  if (place.state === 'wrong') return { directory, conforms: false, connected: false, findings: [place] };
  const socketPath = join(directory, 'vhost.sock');
  const { findings: document, contract } = checkPortJson(directory);
  const listens = contract?.podRole === 'server';
  const socket = checkSocket(socketPath, listens);
  const asked = socket.state === 'ok' && !listens;
  const backEnd = asked ? await checkBackEnd(socketPath, options.millis) : undefined;
  const findings = [
    place,
    ...document,
    socket,
    ...(backEnd?.findings ?? []),
    ...(contract === undefined ? [] : [checkTap(directory, contract, options.interfaces ?? ownInterfaces)]),
  ];
  return {
    directory,
    conforms: findings.every(({ state }) => state !== 'wrong'),
    connected: listens ? socket.state === 'ok' : backEnd?.busy === true,
    findings,
    ...(backEnd?.offers === undefined ? {} : { offers: backEnd.offers }),
    ...(contract === undefined ? {} : { devargs: devargs(socketPath, contract) }),
  };
}

/** The mount point of a pod with one port means that port, as it does for a driver. */
function onlyPortOf(directory: string): string {
  if (existsSync(join(directory, 'port.json'))) return directory;
  const ports = globSync('*/port.json', { cwd: directory });
  const [only] = ports;
  return only === undefined || ports.length > 1 ? directory : join(directory, dirname(only));
}

function devargs(path: string, { mac, queueSize, podRole }: PortContract): string {
  const role = podRole === 'server' ? ',server=1' : '';
  return `net_virtio_user0,path=${path},mac=${mac},queue_size=${queueSize}${role}`;
}

function checkDirectory(directory: string): Finding {
  const what = 'directory';
  const todo =
    'give the directory of one port, /var/run/usvhost/IFNAME in a pod; `usvhost doctor` looks for its port';
  try {
    const stat = lstatSync(directory);
    if (stat.isDirectory()) return ok(what, directory);
    return wrong(what, `${directory} is not a directory`, todo);
  } catch (error) {
    if (errnoOf(error) === '') throw error;
    return wrong(what, `${directory} cannot be looked at: ${errnoOf(error)}`, todo);
  }
}

/** `listens`: the pod makes the socket and the switch connects, which only the two of them can try. */
function checkSocket(path: string, listens: boolean): Finding {
  const what = 'socket';
  const bytes = Buffer.byteLength(path);
  if (bytes > socketPathLimit) {
    const says = `${path} has ${bytes} bytes, a unix socket has at most ${socketPathLimit}`;
    return wrong(what, says, 'bind the directory at a shorter path');
  }
  try {
    if (lstatSync(path).isSocket()) return ok(what, listens ? `${path}, where the pod listens` : path);
    return wrong(what, `${path} is not a socket`, 'delete the pod so that its port is made anew');
  } catch (error) {
    if (errnoOf(error) === '') throw error;
    if (listens && errnoOf(error) === 'ENOENT')
      return note(what, 'no driver of the pod listens yet', 'start the driver in the pod');
    const todo = 'start `usvhost switch`; the agent then adds the port again. If it runs, delete the pod';
    return wrong(what, `${path}: ${errnoOf(error)}`, todo);
  }
}

interface BackEnd {
  readonly findings: readonly Finding[];
  /** Another front-end has the port. */
  readonly busy?: boolean;
  readonly offers?: PortCheck['offers'];
}

async function checkBackEnd(path: string, millis = 5000): Promise<BackEnd> {
  const what = 'back-end';
  const answer = await askBackEnd(path, { millis });
  switch (answer.kind) {
    case 'busy': {
      const todo = 'stop the driver of the port to see what the back-end offers';
      return { busy: true, findings: [note(what, 'in use: it has a driver and takes no second one', todo)] };
    }
    case 'unreachable': {
      const denied = answer.errno === 'EACCES' || answer.errno === 'EPERM';
      const todo = denied
        ? 'run as a user who may write to the socket'
        : 'start `usvhost switch`; the agent then adds the port again';
      return { findings: [wrong(what, `nobody can be reached: ${answer.errno}`, todo)] };
    }
    case 'silent':
      return {
        findings: [
          wrong(what, `no answer within ${millis} ms`, 'see whether the switch is stopped or overloaded'),
        ],
      };
    case 'malformed': {
      const todo = 'see that a vhost-user back-end listens there';
      return { findings: [wrong(what, `it does not speak vhost-user: ${answer.got}`, todo)] };
    }
    case 'answers': {
      const virtio = virtioFeatures(answer.features);
      const protocol = protocolFeatures(answer.protocolFeatures ?? 0n);
      const modern = (answer.features & version1Bit) !== 0n;
      return {
        offers: { virtio, protocol },
        findings: [
          ok(what, 'it answers GET_FEATURES'),
          modern
            ? ok('features', virtio.join(', '))
            : wrong('features', `${virtio.join(', ') || 'none'}: no VERSION_1`, 'use another back-end'),
          answer.protocolFeatures === undefined
            ? note('protocol features', 'none')
            : ok('protocol features', protocol.join(', ') || 'none'),
        ],
      };
    }
  }
}

/** Interfaces of this network namespace, whatever /sys shows. */
function ownInterfaces(): string[] {
  return readFileSync('/proc/net/dev', 'utf8')
    .split('\n')
    .flatMap((line) => /^\s*(\S+):/.exec(line)?.[1] ?? []);
}

function checkTap(directory: string, contract: PortContract, interfaces: () => readonly string[]): Finding {
  const { endpoint, ifname, socket } = contract;
  if (endpoint !== 'tap') return ok('tap', 'none: the application uses the socket itself');
  if (dirname(socket.pod) !== directory)
    return skipped('tap', `only seen from inside the pod, at ${dirname(socket.pod)}`);
  if (interfaces().includes(ifname)) return ok('tap', `${ifname} is there`);
  return wrong('tap', `there is no interface ${ifname}`, 'delete the pod so that CNI ADD makes it anew');
}
