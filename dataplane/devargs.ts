// SPDX-License-Identifier: Apache-2.0
//
// Device arguments: the string of the 2015 RFC (`eth_cvio0,queue_num=256,rx=1,tx=1,cq=0,path=…`) and today's of DPDK
// (`net_virtio_user0,path=…,queues=…,queue_size=…,mac=…`), one table of keys for both. A key that DPDK knows and we do
// not implement is accepted only with the value that asks for nothing.

import { usvError } from '../lib/errors.ts';
import { isStationMac } from '../lib/mac-address.ts';
import type { DriverOffers } from '../native/index.ts';

export interface PortArguments {
  /** Device name as given, `net_virtio_user0`. */
  readonly name: string;
  /** Socket or directory as given. */
  readonly path: string;
  /** Entries of each ring; undefined: not given. */
  readonly queueSize: number | undefined;
  /** Queue pairs; undefined: not given. */
  readonly queues: number | undefined;
  readonly mac: string | undefined;
  /** Whether we listen at the path; undefined: not given. */
  readonly server: boolean | undefined;
  /** Only those that were given. */
  readonly offers: Partial<DriverOffers>;
}

interface MutableArguments {
  path?: string;
  queueSize?: number;
  queues?: number;
  mac?: string;
  server?: boolean;
  readonly offers: { -readonly [Offer in keyof DriverOffers]?: boolean };
}

type Apply = (into: MutableArguments, value: string, key: string) => void;

function integer(value: string, key: string, expected: string, accepts: (n: number) => boolean): number {
  const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
  if (accepts(number)) return number;
  throw usvError('USV_DEVARG', { what: `${key}=`, expected, got: JSON.stringify(value) });
}

/** Entries of the largest ring that the driver makes. */
export const largestQueue = 4096;

const isPowerOfTwo = (n: number): boolean => (n & (n - 1)) === 0;

/** Split rings have a power of two of entries (virtio 1.2, 2.7), packed rings any number (2.8.10.1). */
const queueSize: Apply = (into, value, key) => {
  into.queueSize = integer(value, key, `2 to ${largestQueue}`, (n) => n >= 2 && n <= largestQueue);
};

/** Keys come in any order, so that this is looked at when all are known. */
function checkQueueSize({ queueSize: size, offers }: MutableArguments, key: string): void {
  if (size === undefined || offers.packed === true || isPowerOfTwo(size)) return;
  const expected = `a power of two from 2 to ${largestQueue} without packed_vq=1`;
  throw usvError('USV_DEVARG', { what: `${key}=`, expected, got: JSON.stringify(String(size)) });
}

/** Queue pairs that the driver can have. */
export const mostQueues = 8;

/** The RFC names receive and transmit queues, which come in pairs (virtio 1.2, 5.1.2). */
const queuePairs: Apply = (into, value, key) => {
  const expected = `1 to ${mostQueues}, rx and tx alike`;
  into.queues = integer(value, key, expected, (n) => n >= 1 && n <= mostQueues && n === (into.queues ?? n));
};

function notImplemented(what: string): Apply {
  return (_, value, key) => {
    integer(value, key, `0 (${what})`, (n) => n === 0);
  };
}

/** An offer, which the back-end need not take. */
function offer(name: keyof DriverOffers): Apply {
  return (into, value, key) => {
    into.offers[name] = integer(value, key, '0 or 1', (n) => n === 0 || n === 1) === 1;
  };
}

const server: Apply = (into, value, key) => {
  into.server = integer(value, key, '0 (connect) or 1 (listen)', (n) => n === 0 || n === 1) === 1;
};

const path: Apply = (into, value, key) => {
  // A configuration file can hold what an argument cannot.
  if (value === '' || value.includes('\0')) {
    throw usvError('USV_DEVARG', {
      what: `${key}=`,
      expected: 'a socket or a directory',
      got: JSON.stringify(value),
    });
  }
  into.path = value;
};

const mac: Apply = (into, value, key) => {
  const lower = value.toLowerCase();
  if (!isStationMac(lower)) {
    throw usvError('USV_DEVARG', {
      what: `${key}=`,
      expected: 'a unicast MAC address such as 02:00:00:00:00:01',
      got: JSON.stringify(value),
    });
  }
  into.mac = lower;
};

/** The RFC's keys. */
const rfcKeys: Readonly<Record<string, Apply>> = {
  path,
  mac,
  queue_num: queueSize,
  rx: queuePairs,
  tx: queuePairs,
  cq: notImplemented('no control queue'),
};

/** DPDK's keys of net_virtio_user, and two that it has no key for. */
const dpdkKeys: Readonly<Record<string, Apply>> = {
  path,
  mac,
  queue_size: queueSize,
  queues: queuePairs,
  cq: notImplemented('no control queue'),
  server,
  packed_vq: offer('packed'),
  vectorized: notImplemented('one code path'),
  mrg_rxbuf: offer('mergeable'),
  in_order: offer('inOrder'),
  indirect: offer('indirect'),
  event_idx: offer('eventIndex'),
};

interface Form {
  readonly pattern: RegExp;
  readonly keys: Readonly<Record<string, Apply>>;
  readonly sizeKey: string;
}

const drivers: readonly Form[] = [
  { pattern: /^eth_cvio\d{1,4}$/, keys: rfcKeys, sizeKey: 'queue_num' },
  { pattern: /^(net_)?virtio_user\d{0,4}$/, keys: dpdkKeys, sizeKey: 'queue_size' },
];

/**
 * Parses one --port argument.
 * @throws UsvhostError USV_DEVARG naming the device or key, what was expected and what was got.
 */
export function parseDevargs(text: string): PortArguments {
  const [name = '', ...pairs] = text.split(',');
  const driver = drivers.find(({ pattern }) => pattern.test(name));
  if (driver === undefined) {
    throw usvError('USV_DEVARG', {
      what: 'the device of --port',
      expected: 'eth_cvio<N> or net_virtio_user<N>',
      got: JSON.stringify(name),
    });
  }
  const found: MutableArguments = { offers: {} };
  const seen = new Set<string>();
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    const key = equals < 0 ? pair : pair.slice(0, equals);
    const apply = Object.hasOwn(driver.keys, key) ? driver.keys[key] : undefined;
    if (apply === undefined || equals < 0 || seen.has(key)) {
      throw usvError('USV_DEVARG', {
        what: `a key of ${name}`,
        expected: `each of ${Object.keys(driver.keys).join(', ')} at most once, as key=value`,
        got: JSON.stringify(pair),
      });
    }
    seen.add(key);
    apply(found, pair.slice(equals + 1), key);
  }
  if (found.path === undefined) {
    throw usvError('USV_DEVARG', {
      what: name,
      expected: 'path=SOCKET or path=DIRECTORY',
      got: JSON.stringify(text),
    });
  }
  checkQueueSize(found, driver.sizeKey);
  const { path: place, queueSize: size, queues, mac: address, server: listens, offers } = found;
  return { name, path: place, queueSize: size, queues, mac: address, server: listens, offers };
}
