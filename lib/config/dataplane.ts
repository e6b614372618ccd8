// SPDX-License-Identifier: Apache-2.0
//
// Configuration of `usvhost dataplane`: types, validation, documentation and chart values all follow from this schema.

import * as z from 'zod/mini';
import { isStationMac } from '../mac-address.ts';
import { absolutePath, idleMicrosField, integerField, pollModeField } from './fields.ts';

const mac = z
  .string()
  .check(z.regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/, 'expected a MAC address such as 02:00:00:00:00:01'));
const stationMac = mac.check(z.refine(isStationMac, 'expected a unicast MAC address other than zero'));
const ipv4 = z.ipv4('expected an IPv4 address such as 10.0.0.1');

function flagField(meaning: string) {
  return z._default(z.boolean(), false).check(z.describe(meaning));
}

export const dataplaneConfigSchema = z.strictObject({
  port: z
    .array(z.string())
    .check(z.minLength(1), z.maxLength(2), z.describe('one or two ports as device arguments')),
  engine: z
    ._default(z.enum(['l2fwd', 'txonly', 'rxonly', 'responder', 'ping', 'tap', 'handler']), 'tap')
    .check(z.describe('what is done with the frames')),
  mac: z
    .optional(stationMac)
    .check(
      z.describe("our address (default: the port's, from its devargs or its port.json, else the back-end's)"),
    ),
  peerMac: z
    .optional(mac)
    .check(z.describe('destination of txonly (default: ff:ff:ff:ff:ff:ff), new destination of l2fwd')),
  rewrite: flagField('l2fwd: set source to mac and destination to peerMac instead of swapping'),
  ip: z.optional(ipv4).check(z.describe('responder, ping: our address (default: the first of port.json)')),
  target: z.optional(ipv4).check(z.describe('ping: the address to ping')),
  count: integerField(0, 65_535, 10, 'ping: how many requests'),
  intervalMillis: integerField(1, 60_000, 20, 'ping: milliseconds between requests'),
  size: integerField(60, 65_535, 64, 'txonly: bytes of a frame from destination address to end of payload'),
  limit: integerField(0, Number.MAX_SAFE_INTEGER, 0, 'txonly: frames to send, 0 without end'),
  verify: flagField(
    'txonly, rxonly: give each frame a pattern of its own and compare every byte of what comes in',
  ),
  seconds: z
    ._default(z.number().check(z.minimum(0), z.maximum(1_000_000)), 0)
    .check(
      z.describe('txonly: seconds to send, 0 without end; then wait for frames under way, report and stop'),
    ),
  tap: z
    .optional(z.string())
    .check(z.describe('tap: name of the tap device (default: the interface name of port.json)')),
  offloads: z
    ._default(z.boolean(), true)
    .check(
      z.describe(
        'tap: leave checksums and TCP segmentation to the back-end and take frames with either undone, where it agrees',
      ),
    ),
  tunDevice: z._default(absolutePath, '/dev/net/tun').check(z.describe('tap: the device node')),
  handler: z
    .optional(z.string().check(z.minLength(1)))
    .check(z.describe('handler: path of the module, TypeScript or JavaScript, that decides on frames')),
  handlerMillis: integerField(
    0,
    3_600_000,
    5000,
    'handler: milliseconds that frames may wait for its decision before the process ends; 0: for ever',
  ),
  memory: z
    ._default(
      z
        .string()
        .check(
          z.regex(
            /^(memfd|shm|(shm|hugetlbfs|file):\/.*)$/,
            'expected memfd, shm, shm:DIR, hugetlbfs:DIR or file:PATH',
          ),
        ),
      'memfd',
    )
    .check(z.describe('where rings and buffers live: memfd, shm[:DIR], hugetlbfs:DIR or file:PATH')),
  buffers: integerField(0, 1_048_576, 0, 'packet buffers; 0: as many as the rings need'),
  cpus: z
    ._default(z.array(z.int().check(z.minimum(0), z.maximum(65_535))), [])
    .check(
      z.describe(
        'CPUs of the data threads, one thread each, to which queue pairs are dealt; empty: a thread for each pair, not pinned',
      ),
    ),
  pollMode: pollModeField,
  idleMicros: idleMicrosField,
  backoffMinMillis: integerField(1, 60_000, 5, 'first delay before connecting again'),
  backoffMaxMillis: integerField(1, 60_000, 500, 'largest delay before connecting again'),
  handshakeMillis: integerField(10, 600_000, 5000, 'milliseconds that the back-end may take for an answer'),
  readySocket: z
    .optional(z.string().check(z.regex(/^(\/|@.)/, 'expected an absolute path, or @name')))
    .check(
      z.describe('socket that answers `up` when all links are up: a path, or @name for an abstract socket'),
    ),
  reportMillis: integerField(
    0,
    3_600_000,
    0,
    'milliseconds between reports on standard output, 0: only one at the end',
  ),
});

export type DataplaneConfig = Readonly<z.output<typeof dataplaneConfigSchema>>;
