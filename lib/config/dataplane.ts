// SPDX-License-Identifier: Apache-2.0
//
// Configuration of `usvhost dataplane`: types, validation, documentation and chart values all follow from this schema.

import * as z from 'zod';

const mac = z.string().regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/, 'a MAC address such as 02:00:00:00:00:01');
const ipv4 = z.ipv4('an IPv4 address such as 10.0.0.1');

export const dataplaneConfigSchema = z.strictObject({
  port: z.array(z.string()).min(1).max(2).describe('one or two ports as device arguments'),
  engine: z
    .enum(['l2fwd', 'txonly', 'rxonly', 'responder', 'ping', 'tap'])
    .default('tap')
    .describe('what is done with the frames'),
  mac: mac.optional().describe("our address (default: the port's, from its devargs or its port.json)"),
  peerMac: mac
    .optional()
    .describe('destination of txonly, new destination of l2fwd (default: all frames to ff:ff:ff:ff:ff:ff)'),
  rewrite: z
    .boolean()
    .default(false)
    .describe('l2fwd: set source to mac and destination to peerMac instead of swapping'),
  ip: ipv4.optional().describe('responder, ping: our address (default: the first of port.json)'),
  target: ipv4.optional().describe('ping: the address to ping'),
  count: z.int().min(0).max(65_535).default(10).describe('ping: how many requests'),
  intervalMillis: z.int().min(1).max(60_000).default(20).describe('ping: milliseconds between requests'),
  size: z
    .int()
    .min(60)
    .max(2048)
    .default(64)
    .describe('txonly: bytes of a frame from destination address to end of payload'),
  limit: z.int().min(0).default(0).describe('txonly: frames to send, 0 without end'),
  verify: z
    .boolean()
    .default(false)
    .describe('txonly, rxonly: give each frame a pattern of its own and compare every byte of what comes in'),
  seconds: z
    .number()
    .min(0)
    .max(1_000_000)
    .default(0)
    .describe('txonly: seconds to send, 0 without end; then wait for frames under way, report and stop'),
  tap: z
    .string()
    .optional()
    .describe('tap: name of the tap device (default: the interface name of port.json)'),
  tunDevice: z.string().startsWith('/').default('/dev/net/tun').describe('tap: the device node'),
  memory: z
    .string()
    .regex(/^(memfd|shm|hugetlbfs)(:\/.*)?$/, 'memfd, shm, shm:DIR or hugetlbfs:DIR')
    .default('memfd')
    .describe('where rings and buffers live: memfd, shm[:DIR] or hugetlbfs:DIR'),
  buffers: z.int().min(0).max(1_048_576).default(0).describe('packet buffers; 0: as many as the rings need'),
  cpu: z.int().min(-1).default(-1).describe('CPU of the data thread; -1: not pinned'),
  idleMicros: z.int().min(0).max(1_000_000).default(50).describe('microseconds of polling before sleep'),
  backoffMinMillis: z.int().min(1).max(60_000).default(5).describe('first delay before connecting again'),
  backoffMaxMillis: z.int().min(1).max(60_000).default(500).describe('largest delay before connecting again'),
  handshakeMillis: z
    .int()
    .min(10)
    .max(600_000)
    .default(5000)
    .describe('milliseconds that the back-end may take for an answer'),
  reportMillis: z
    .int()
    .min(0)
    .max(3_600_000)
    .default(0)
    .describe('milliseconds between reports on standard output, 0: only one at the end'),
});

export type DataplaneConfig = Readonly<z.output<typeof dataplaneConfigSchema>>;
