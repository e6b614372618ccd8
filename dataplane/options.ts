// SPDX-License-Identifier: Apache-2.0
//
// From the configuration of a dataplane to the options of the native one: ports are found, what was left out is taken
// from the port's contract, and what then is still missing is an error that says which flag would give it.

import type { DataplaneConfig } from '../lib/config/dataplane.ts';
import { usvError } from '../lib/errors.ts';
import { checkIfname } from '../lib/names.ts';
import {
  type DataplaneOptions,
  type DriverOffers,
  type EngineOptions,
  usualOffers,
} from '../native/index.ts';
import { largestQueue, mostQueues, parseDevargs } from './devargs.ts';
import type { HandlerPort } from './packet-api.ts';
import { findPort, type PortPlace } from './port-directory.ts';

const defaultQueueSize = 256;
/** A frame of a tap has up to 64 KiB, 32 buffers: a smaller receive ring overflows whenever the pod's thread waits for a CPU. */
const defaultTapQueueSize = 2048;
const broadcast = 'ff:ff:ff:ff:ff:ff';
const firstLocal = '02:00:00:00:00:01';
/** In place of an address that the back-end will tell. */
const toBeTold = '00:00:00:00:00:00';

interface FoundPort extends PortPlace {
  readonly name: string;
  readonly queueSize: number;
  readonly queuePairs: number;
  readonly mac: string | undefined;
  readonly server: boolean;
  readonly offers: DriverOffers;
}

/** `from`: who can give the value. */
function required<Value>(value: Value | undefined, engine: string, from: string): Value {
  if (value !== undefined) return value;
  throw usvError('USV_CONFIG', { what: `engine ${engine}`, expected: from, got: 'nothing' });
}

/** One buffer of the driver. */
const bufferBytes = 2048;
/** Ethernet header and a VLAN tag. */
const frameOverhead = 18;

/**
 * What is offered where the device arguments do not say. Mergeable buffers cost a look at each frame's header, so they
 * are offered where a frame can be longer than a buffer: with engine tap, whose MTU is the pod's to change, and by MTU or size.
 */
function defaultOffers(config: DataplaneConfig, contract: PortPlace['contract']): DriverOffers {
  const largest = Math.max(config.size, (contract?.mtu ?? 0) + frameOverhead);
  return { ...usualOffers, mergeable: config.engine === 'tap' || largest > bufferBytes };
}

function engineOptions(config: DataplaneConfig, port: FoundPort): EngineOptions {
  const mac = config.mac ?? port.mac;
  const ip = config.ip ?? port.contract?.ips.find((address) => !address.includes(':'))?.split('/')[0];
  switch (config.engine) {
    case 'l2fwd':
      return config.rewrite
        ? {
            kind: 'l2fwd',
            mode: 'rewrite',
            sourceMac: mac ?? toBeTold,
            destinationMac: required(config.peerMac, 'l2fwd', '--peer-mac'),
          }
        : { kind: 'l2fwd', mode: 'swap' };
    case 'txonly':
    case 'rxonly':
      return {
        kind: config.engine,
        size: config.size,
        limit: config.limit,
        verify: config.verify,
        running: false,
        sourceMac: mac ?? firstLocal,
        destinationMac: config.peerMac ?? broadcast,
      };
    case 'responder':
      return {
        kind: 'responder',
        mac: mac ?? toBeTold,
        ip: required(ip, 'responder', '--ip or an IPv4 address in a port.json'),
      };
    case 'ping':
      return {
        kind: 'ping',
        mac: mac ?? toBeTold,
        source: required(ip, 'ping', '--ip or an IPv4 address in a port.json'),
        destination: required(config.target, 'ping', '--target'),
        count: config.count,
        intervalMillis: config.intervalMillis,
        timeoutMillis: 1000,
      };
    case 'handler':
      required(config.handler, 'handler', '--handler');
      return { kind: 'handler' };
    case 'tap':
      return {
        kind: 'tap',
        device: checkIfname(required(config.tap ?? port.contract?.ifname, 'tap', '--tap or a port.json')),
        node: config.tunDevice,
        multiQueue: hasQueues(config, port),
        offloads: config.offloads,
      };
  }
}

/** What the back-end's address is for, where nobody here has given one. */
function backEndMac(config: DataplaneConfig, mac: string | undefined): 'ignored' | 'used' | 'required' {
  if (mac !== undefined) return 'ignored';
  switch (config.engine) {
    case 'responder':
    case 'ping':
      return 'required';
    case 'l2fwd':
      return config.rewrite ? 'required' : 'ignored';
    case 'tap':
    case 'txonly':
      return 'used';
    case 'rxonly':
    case 'handler':
      return 'ignored';
  }
}

/** Whether the tap has been made with several queues: the node does it where port.json says so. */
function hasQueues(config: DataplaneConfig, { contract, queuePairs }: FoundPort): boolean {
  return (config.tap === undefined && contract !== undefined ? contract.queues : queuePairs) > 1;
}

/** Engines that hold a conversation in one place take one pair, whatever the node wishes. */
const onePairEngines: readonly DataplaneConfig['engine'][] = ['ping', 'handler'];

function pairs(config: DataplaneConfig, asked: number | undefined, wish: number | undefined): number {
  if (!onePairEngines.includes(config.engine)) return asked ?? Math.min(wish ?? 1, mostQueues);
  if (asked === undefined || asked === 1) return 1;
  throw usvError('USV_DEVARG', {
    what: 'the queue pairs of a port',
    expected: `1 with engine ${config.engine}`,
    got: String(asked),
  });
}

function memoryOptions(memory: string): DataplaneOptions['memory'] {
  const [kind = '', ...place] = memory.split(':');
  const known = kind === 'shm' || kind === 'hugetlbfs' || kind === 'file';
  return { kind: known ? kind : 'memfd', place: place.join(':') };
}

/** What a handler is told of the ports. @throws as nativeOptions */
export function handlerPorts(config: DataplaneConfig): HandlerPort[] {
  return findPorts(config).map(({ name, mac, contract }) => ({
    name,
    ifname: contract?.ifname,
    mac,
    ips: contract?.ips ?? [],
    mtu: contract?.mtu,
  }));
}

function findPorts(config: DataplaneConfig): FoundPort[] {
  return config.port.map((text): FoundPort => {
    const { name, path, queueSize, queues, mac, server, offers } = parseDevargs(text);
    const place = findPort(path);
    const usualSize = config.engine === 'tap' ? defaultTapQueueSize : defaultQueueSize;
    return {
      ...place,
      name,
      // The node's word is a wish: who has the rings decides how large they are.
      queueSize: queueSize ?? Math.min(place.contract?.queueSize ?? usualSize, largestQueue),
      queuePairs: pairs(config, queues, place.contract?.queues),
      mac: mac ?? place.contract?.mac,
      server: server ?? place.contract?.podRole === 'server',
      offers: { ...defaultOffers(config, place.contract), ...offers },
    };
  });
}

/** @throws UsvhostError USV_DEVARG, USV_SOCKET_PATH, USV_CONFIG, USV_NAME, USV_IO */
export function nativeOptions(config: DataplaneConfig): DataplaneOptions {
  const ports = findPorts(config);
  const [first, second] = ports;
  if (first === undefined)
    throw usvError('USV_CONFIG', { what: 'port', expected: 'one or two', got: 'none' });
  if (first.name === second?.name) {
    throw usvError('USV_DEVARG', {
      what: 'two ports',
      expected: 'different device names',
      got: `${first.name} twice`,
    });
  }
  if (second !== undefined && first.queuePairs !== second.queuePairs) {
    throw usvError('USV_DEVARG', {
      what: 'two ports',
      expected: 'the same number of queue pairs',
      got: `${first.queuePairs} and ${second.queuePairs}`,
    });
  }
  return {
    ports: ports.map(({ name, socketPath: path, queueSize, queuePairs, server, mac, offers }, index) => ({
      name,
      path,
      queueSize,
      queuePairs,
      server,
      offers,
      // An engine on two ports has the address of the first one.
      backEndMac: index === 0 ? backEndMac(config, config.mac ?? mac) : 'ignored',
    })),
    engine: engineOptions(config, first),
    memory: memoryOptions(config.memory),
    buffers: config.buffers,
    cpus: config.cpus,
    idleMicros: config.idleMicros,
    pollMode: config.pollMode,
    backoffMinMillis: config.backoffMinMillis,
    backoffMaxMillis: config.backoffMaxMillis,
    handshakeMillis: config.handshakeMillis,
  };
}
