// SPDX-License-Identifier: Apache-2.0
//
// The classes of cases: what each is about, and which known defects of back-ends it stands for. docs/hostile.md has a row for
// each, docs/security.md points to them.

export interface HostileClass {
  readonly about: string;
  /** Defects that others had, by their number where there is one. */
  readonly standsFor: readonly string[];
}

export const classes: Readonly<Record<string, HostileClass>> = {
  'message-size': {
    about: 'payloads that are not as long as their message has to be, or not as long as they say',
    standsFor: ['CVE-2020-10724', 'lengths in messages that are believed before they are checked'],
  },
  'message-header': {
    about: 'versions, flags and requests that nobody negotiated, and bytes that are no protocol',
    standsFor: [
      'CVE-2020-10726',
      'CVE-2021-3839',
      'messages behind feature bits that are served without them',
    ],
  },
  fds: {
    about: 'too few descriptors, too many, at the wrong place, of the wrong kind',
    standsFor: [
      'CVE-2019-14818',
      'CVE-2022-0669',
      'descriptors that stay open, writes into a pipe of the peer',
    ],
  },
  order: {
    about: 'right messages at the wrong time, in every order',
    standsFor: ['stale ring pointers after a stop', 'use of memory after it is gone'],
  },
  leaving: {
    about: 'the end of the connection at each point of a handshake',
    standsFor: ['use after free at the end of a connection'],
  },
  repeat: {
    about: 'one message ten thousand times; nothing of it may stay',
    standsFor: ['CVE-2019-14818', 'CVE-2020-10726', 'CVE-2022-0669'],
  },
  flood: {
    about: 'more connections, descriptors or unread answers than anybody needs',
    standsFor: ['CVE-2020-10717', 'a second connection that takes a running port over'],
  },
  slow: {
    about: 'a peer that begins a message, or nothing, and does not end',
    standsFor: ['half a message that stops every port of a control thread'],
  },
  regions: {
    about: 'memory tables that wrap, overlap, lie about their file or about how many they are',
    standsFor: ['CVE-2020-10722', 'CVE-2018-1059', 'regions that are taken without a look at their file'],
  },
  vring: {
    about: 'sizes, indices, bases and addresses of queues that cannot be',
    standsFor: ['CVE-2020-10723', 'CVE-2018-1059', 'misaligned rings'],
  },
  queues: {
    about: 'pairs of queues beyond the first: in every order, by halves, on top of one another',
    standsFor: [
      'CVE-2020-10723',
      'arrays of the queues that were negotiated, indexed by those that are named',
    ],
  },
  config: {
    about: 'pieces of the configuration space that are not there or cannot be written, MTUs that no port has',
    standsFor: ['offsets and sizes that add up to little in 32 bits', 'CVE-2020-10724'],
  },
  reset: {
    about: 'RESET_DEVICE in every order with what starts and stops rings',
    standsFor: ['rings that are used after a reset', 'memory that goes with a reset while a ring runs in it'],
  },
  avail: {
    about: 'indices of an avail ring that jump or go back',
    standsFor: ['CVE-2016-5403', 'an index that makes a back-end walk 65535 entries'],
  },
  head: {
    about: 'entries of an avail ring beyond the descriptor table',
    standsFor: ['heads that index memory without a check'],
  },
  chain: {
    about: 'chains that loop, lead outside, change direction, are empty, or cut the header into pieces',
    standsFor: ['CVE-2018-1059', 'CVE-2022-2132', 'CVE-2016-5403'],
  },
  indirect: {
    about: 'indirect tables of wrong sizes, nested, outside, or not negotiated',
    standsFor: ['CVE-2018-1059', 'tables copied into an array that is too small', 'CVE-2019-14835'],
  },
  merge: {
    about: 'receive buffers of which several make one frame: tiny, too few, broken behind good ones',
    standsFor: ['CVE-2021-3748', 'a length that goes below zero while a frame is spread over buffers'],
  },
  event: {
    about: 'wishes for notifications at indices where no ring is',
    standsFor: ['an index of the peer that is believed'],
  },
  packed: {
    about: 'packed rings with endless chains, foreign addresses and ids, singly and four at a time',
    standsFor: ['CVE-2020-10725', 'a batch that is not checked as a single buffer is'],
  },
  race: {
    about: 'words that are rewritten while they are read',
    standsFor: [
      'CVE-2020-14374 to CVE-2020-14378',
      'a length that is loaded once to check it and again to use it',
    ],
  },
  memory: {
    about: 'memory that is cut, punched, exchanged or taken away while rings in it run',
    standsFor: ['SIGBUS of a truncated file', 'CVE-2021-3748', 'memory unmapped under a data thread'],
  },
  notify: {
    about: 'kicks without end, and calls that cannot be written',
    standsFor: ['an eventfd of the peer that stops a data thread', 'CVE-2019-3900'],
  },
  frame: {
    about: 'frames too short, too long, from addresses of others, to too many',
    standsFor: ['CVE-2022-2132', 'spoofed and made-up addresses'],
  },
  offload: {
    about: 'headers whose checksum and segmentation fields lead beyond the frame',
    standsFor: [
      'CVE-2024-11614',
      'a checksum offset that is loaded again after its check',
      'segments of no bytes',
    ],
  },
  segment: {
    about: 'TCP frames of 64 KiB that are to be cut, and whose words change while they are',
    standsFor: [
      'CVE-2024-11614',
      'headers that are read again after their check',
      'a frame that becomes 65535 frames',
    ],
  },
  flow: {
    about: 'frames to a port of eight queues whose headers end early or lie about their length',
    standsFor: ['a hash over ports that are not in the frame'],
  },
};
