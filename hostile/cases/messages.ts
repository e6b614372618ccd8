// SPDX-License-Identifier: Apache-2.0
//
// Classes `message-size` and `message-header`: headers that lie, requests that nobody negotiated, bytes that are no protocol.

import { ends, type HostileCase } from '../case.ts';
import { begin, negotiate, send, vringState } from '../front-end.ts';
import { flags, message, type RequestName, requests, ringAddress, u32, u64 } from '../wire.ts';

const u64Bytes = 8;
const stateBytes = 8;

/** Payload sizes of the messages that every back-end knows. */
const sizes: Partial<Record<RequestName, number>> = {
  GET_FEATURES: 0,
  SET_FEATURES: u64Bytes,
  SET_OWNER: 0,
  RESET_OWNER: 0,
  SET_VRING_NUM: stateBytes,
  SET_VRING_ADDR: 40,
  SET_VRING_BASE: stateBytes,
  GET_VRING_BASE: stateBytes,
  SET_VRING_KICK: u64Bytes,
  SET_VRING_CALL: u64Bytes,
  SET_VRING_ERR: u64Bytes,
  GET_PROTOCOL_FEATURES: 0,
  SET_PROTOCOL_FEATURES: u64Bytes,
  GET_QUEUE_NUM: 0,
  SET_VRING_ENABLE: stateBytes,
  SET_STATUS: u64Bytes,
  GET_STATUS: 0,
};

const kebab = (name: string): string => name.toLowerCase().replaceAll('_', '-');

function wrongSize(name: RequestName, bytes: number, what: string): HostileCase {
  return {
    id: `message-size/${kebab(name)}-${what}`,
    about: `${name} with ${bytes} bytes of payload`,
    script: [...begin(), ...negotiate(), send(name, '00'.repeat(bytes)), 'closed a'],
    expect: ends('USV_MESSAGE'),
  };
}

const wrongSizes = Object.entries(sizes).flatMap(([name, size]) => {
  const request = name as RequestName;
  const long = wrongSize(request, size + 1, 'one-byte-more');
  return size === 0 ? [long] : [wrongSize(request, size - 1, 'one-byte-less'), long];
});

/** The header promises so much, and nothing of it follows. */
function promise(name: RequestName, size: number): HostileCase {
  return {
    id: `message-size/${kebab(name)}-promises-${size.toString(16)}`,
    about: `${name} whose header says 0x${size.toString(16)} bytes, none of which follow`,
    script: [...begin(), ...negotiate(), `send a ${message(name, '', { size })}`, 'closed a'],
    expect: ends('USV_MESSAGE'),
  };
}

const memTableSizes = [0, 7, 8, 39, 41, 71, 265, 4096].map(
  (size): HostileCase => ({
    id: `message-size/set-mem-table-${size}-bytes`,
    about: `SET_MEM_TABLE of ${size} bytes that says it has one region`,
    script: [
      ...begin(),
      ...negotiate(),
      send('SET_MEM_TABLE', (u32(1) + '00'.repeat(4096)).slice(0, 2 * size), 'ma'),
      'closed a',
    ],
    expect: ends('USV_MESSAGE'),
  }),
);

const messageSizes: readonly HostileCase[] = [
  ...wrongSizes,
  ...memTableSizes,
  promise('GET_FEATURES', 0xffff_ffff),
  promise('SET_FEATURES', 0x7fff_ffff),
  promise('SET_MEM_TABLE', 0xffff_fff4),
  promise('SET_VRING_ADDR', 0x8000_0000),
];

function wrongHeader(id: string, about: string, bytes: string): HostileCase {
  return {
    id: `message-header/${id}`,
    about,
    script: [...begin(), ...negotiate(), `send a ${bytes}`, 'closed a'],
    expect: ends('USV_MESSAGE'),
  };
}

const versions = [0, 2, 3].map((version) =>
  wrongHeader(
    `version-${version}`,
    `a message of version ${version}`,
    message('GET_FEATURES', '', { flags: version }),
  ),
);

/** Numbers that nobody has given a meaning, or that this back-end does not offer. */
const unknown = [0, 41, 255, 0x7fff_ffff, 0x8000_0001, 0xffff_ffff].map((request) =>
  wrongHeader(
    `request-${request.toString(16)}`,
    `request number 0x${request.toString(16)}`,
    message(request, u64(0)),
  ),
);

/** Known to the protocol, and each behind a bit that was not negotiated here. */
const notNegotiated = (
  [
    ['SET_LOG_BASE', u64(0x1000) + u64(0)],
    ['SET_LOG_FD', ''],
    ['SEND_RARP', u64(0)],
    ['NET_SET_MTU', u64(9000)],
    ['SET_BACKEND_REQ_FD', ''],
    ['IOTLB_MSG', '00'.repeat(32)],
    ['SET_VRING_ENDIAN', vringState(0, 1)],
    ['GET_CONFIG', u32(0) + u32(256) + u32(0) + '00'.repeat(256)],
    ['SET_CONFIG', u32(0xffff_ffff) + u32(0xffff_ffff) + u32(0)],
    ['CREATE_CRYPTO_SESSION', 'ff'.repeat(64)],
    ['CLOSE_CRYPTO_SESSION', u64(0)],
    ['POSTCOPY_ADVISE', ''],
    ['POSTCOPY_LISTEN', ''],
    ['POSTCOPY_END', ''],
    ['GET_INFLIGHT_FD', u64(0) + u64(0) + 'ffff4000'],
    ['SET_INFLIGHT_FD', u64(0x1000) + u64(0) + 'ffff4000'],
    ['GPU_SET_SOCKET', ''],
    ['RESET_DEVICE', ''],
    ['VRING_KICK', vringState(0, 0)],
    ['GET_MAX_MEM_SLOTS', ''],
    ['ADD_MEM_REG', '00'.repeat(40)],
    ['REM_MEM_REG', '00'.repeat(40)],
    ['SET_STATUS', u64(0xf)],
    ['GET_STATUS', ''],
  ] as const satisfies readonly (readonly [RequestName, string])[]
).map(([name, payload]) =>
  wrongHeader(
    `not-negotiated-${kebab(name)}`,
    `${name} (${requests[name]}), which was not negotiated`,
    message(name, payload),
  ),
);

const text = (words: string): string => Buffer.from(words).toString('hex');

const messageHeaders: readonly HostileCase[] = [
  ...versions,
  wrongHeader(
    'reply-bit',
    'a request that says it is a reply',
    message('GET_FEATURES', '', { flags: flags.version1 | flags.reply }),
  ),
  ...unknown,
  ...notNegotiated,
  wrongHeader('zeroes', '4096 zero bytes', '00'.repeat(4096)),
  wrongHeader('ones', '4096 bytes of 0xff', 'ff'.repeat(4096)),
  wrongHeader('http', 'a request of HTTP', text('GET / HTTP/1.1\r\nHost: switch\r\n\r\n')),
  wrongHeader('tls', 'the beginning of TLS', `160301020001fc0303${'5a'.repeat(64)}`),
  wrongHeader(
    'address-of-another-kind',
    'a ring address where a state belongs',
    message('SET_VRING_NUM', ringAddress({ index: 0, desc: 0n, used: 0n, avail: 0n })),
  ),
];

export const messageCases: readonly HostileCase[] = [...messageSizes, ...messageHeaders];
