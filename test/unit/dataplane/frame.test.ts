// SPDX-License-Identifier: Apache-2.0
//
// What a handler sees of a frame: headers that are there only when they are whole, changes that keep lengths and checksums
// true, and nothing of an earlier frame.

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { BurstLoop } from '../../../dataplane/bursts.ts';
import type { Frame } from '../../../dataplane/packet-api.ts';
import { packetHelpers } from '../../../dataplane/packet-helpers.ts';
import { ethernet, ipv4Packet, slowChecksum, udpDatagram } from './packets.ts';
import { type Decided, SharedBursts } from './shared-bursts.ts';

/** Has `decide` look at one frame of port 0 of two. */
function handle(
  bytes: Uint8Array,
  decide: (frame: Frame) => void,
  bursts = new SharedBursts(),
): Decided | undefined {
  bursts.publish(0, bytes);
  const onError = (error: unknown): void => {
    throw error;
  };
  new BurstLoop(bursts, { ports: 2, handler: { onBurst: (burst) => decide(burst.at(0)) }, onError }).turn();
  return bursts.decided.at(-1);
}

/** What `look` finds. */
function see<Value>(bytes: Uint8Array, look: (frame: Frame) => Value): Value | undefined {
  let found: Value | undefined;
  handle(bytes, (frame) => {
    found = look(frame);
  });
  return found;
}

const dns = ethernet(0x0800, ipv4Packet({ protocol: 17, payload: udpDatagram(53, [1, 2, 3]) }));
const tcpHeader = [0, 80, 1, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x12, 1, 0, 0, 0, 0, 0];
const syn = ethernet(0x0800, ipv4Packet({ protocol: 6, payload: [...tcpHeader, 9, 9] }));
const echo = ethernet(0x0800, ipv4Packet({ protocol: 1, payload: [8, 0, 0, 0, 0, 1, 0, 2, 7] }));
const arpBytes = [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2];
const arp = ethernet(0x0806, arpBytes);

describe('headers', () => {
  test('Ethernet, with and without a tag', () => {
    const look = ({ source, destination, etherType, vlan }: Frame) => [source, destination, etherType, vlan];
    const [a, b] = [0x0200_0000_0001, 0x0200_0000_0002];
    expect(see(ethernet(0x86dd, []), look)).toEqual([a, b, 0x86dd, undefined]);
    expect(see(ethernet(0x0800, [1, 2], 0xe123), look)).toEqual([a, b, 0x0800, 0x123]);
    // A tag that is cut off is a payload of nothing.
    expect(see(ethernet(0x8100, [0, 1]), look)).toEqual([a, b, 0x8100, undefined]);
  });

  test('UDP behind options and a tag', () => {
    const packet = ipv4Packet({ protocol: 17, payload: udpDatagram(53, [1, 2, 3]), options: 8 });
    for (const vlan of [undefined, 7]) {
      const found = see(ethernet(0x0800, [...packet, 0, 0], vlan), ({ ipv4, udp, tcp, icmp, arp: none }) => [
        [ipv4?.source, ipv4?.destination, ipv4?.headerLength, ipv4?.payloadLength].map(Number),
        [udp?.sourcePort, udp?.destinationPort, udp?.payloadLength, udp?.payloadStart],
        [tcp, icmp, none],
      ]);
      expect(found).toEqual([
        [0x0a00_0001, 0x0a00_0002, 28, 11],
        [40_000, 53, 3, 14 + (vlan === undefined ? 0 : 4) + 28 + 8],
        [undefined, undefined, undefined],
      ]);
    }
  });

  test('TCP, ICMP and ARP', () => {
    expect(
      see(syn, ({ tcp }) => [tcp?.sourcePort, tcp?.destinationPort, tcp?.flags, tcp?.payloadLength]),
    ).toEqual([80, 258, 18, 2]);
    expect(see(echo, ({ icmp }) => [icmp?.type, icmp?.code])).toEqual([8, 0]);
    expect(
      see(arp, ({ arp: a }) => [a?.operation, a?.senderMac, a?.senderIp, a?.targetMac, a?.targetIp]),
    ).toEqual([...[1, 0x0200_0000_0001, 0x0a00_0001, 0, 0x0a00_0002]]);
  });

  test.each([dns, syn, echo, arp])(
    'cut off anywhere there are none, and nothing throws: frame %#',
    (whole) => {
      for (let length = 14; length < whole.length; length++) {
        const found = see(whole.subarray(0, length), (f) => [f.ipv4, f.udp, f.tcp, f.icmp, f.arp]);
        expect(found).toEqual([undefined, undefined, undefined, undefined, undefined]);
      }
    },
  );

  test.each([
    ['IPv6 in the version', 14, 0x65],
    ['a header of 16 bytes', 14, 0x44],
    ['a header beyond the packet', 14, 0x4f],
    ['a packet beyond the frame', 16, 1],
    ['a packet shorter than its header', 17, 19],
  ])('no IPv4: %s', (_, at, value) => {
    expect(see(dns.with(at, value), ({ ipv4, udp }) => [ipv4, udp])).toEqual([undefined, undefined]);
  });

  test.each([
    ['the first part of a packet', 20, 0x20],
    ['a later part', 21, 1],
    ['UDP longer than its packet', 39, 12],
    ['UDP shorter than its header', 39, 7],
  ])('IPv4 but no UDP: %s', (_, at, value) => {
    expect(see(dns.with(at, value), ({ ipv4, udp }) => [ipv4 !== undefined, udp])).toEqual([true, undefined]);
  });

  test('any bytes at all: nothing throws, nothing is read behind the end', () => {
    const start = fc.constantFrom(...[dns, syn, echo, arp].map((frame) => [...frame]));
    const changes = fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 6 });
    fc.assert(
      fc.property(start, changes, fc.integer({ min: 14, max: 64 }), (bytes, changed, length) => {
        const frame = Uint8Array.from(bytes);
        for (const [at, value] of changed) if (at < frame.length) frame[at] = value;
        handle(frame.subarray(0, length), (f) => {
          const end = f.length;
          for (const header of [f.ipv4, f.udp, f.tcp]) {
            if (header === undefined) continue;
            expect(header.payloadStart + header.payloadLength).toBeLessThanOrEqual(end);
            expect(header.payloadLength).toBeGreaterThanOrEqual(0);
          }
          f.updateChecksums();
          expect(f.length).toBe(end);
        });
      }),
    );
  });
});

describe('changes', () => {
  test('updateChecksums() makes every checksum right', () => {
    for (const whole of [dns, syn, echo]) {
      const bytes = handle(whole, (frame) => {
        if (frame.ipv4 !== undefined) frame.ipv4.ttl = 3;
        frame.updateChecksums();
      })?.frames[0]?.bytes;
      const all = [...(bytes ?? [])];
      expect(slowChecksum(all.slice(14, 34))).toBe(0);
      const pseudo = whole === echo ? [] : [...all.slice(26, 34), 0, all[23] ?? 0, 0, all.length - 34];
      expect(slowChecksum([...pseudo, ...all.slice(34)])).toBe(0);
    }
  });

  test('a UDP checksum of 0 is written as ffff', () => {
    // The payload that makes the sum of all other words right.
    const sum = slowChecksum([10, 0, 0, 1, 10, 0, 0, 2, 0, 17, 0, 10, ...udpDatagram(53, [0, 0])]);
    const frame = ethernet(
      0x0800,
      ipv4Packet({ protocol: 17, payload: udpDatagram(53, [sum >> 8, sum & 255]) }),
    );
    expect(handle(frame, (f) => f.updateChecksums())?.frames[0]?.bytes.subarray(40, 42)).toEqual(
      Uint8Array.of(255, 255),
    );
  });

  test('a shorter and a longer UDP payload', () => {
    for (const length of [0, 1, 3, 700]) {
      const bytes = handle(dns, ({ udp }) => {
        if (udp !== undefined) udp.payloadLength = length;
      })?.frames[0]?.bytes;
      expect(bytes?.length).toBe(42 + length);
      const seen = see(bytes ?? dns, ({ ipv4, udp }) => [ipv4?.totalLength, udp?.payloadLength]);
      expect(seen).toEqual([28 + length, length]);
    }
    expect(() => handle(dns, ({ udp }) => Object.assign(udp ?? {}, { payloadLength: 2048 }))).toThrow(
      'length of a frame',
    );
  });

  test('what a frame grows by is zero, not the end of an earlier frame', () => {
    const bursts = new SharedBursts();
    for (let n = 0; n < 4; n++) handle(new Uint8Array(2048).fill(0xee), () => undefined, bursts);
    const grown = handle(dns, (frame) => Object.assign(frame, { length: 200 }), bursts)?.frames[0]?.bytes;
    expect(grown).toEqual(Uint8Array.from({ length: 200 }, (_, at) => dns[at] ?? 0));
  });

  test.each([13, 2049, 0, -1, 20.5, Number.NaN, 2 ** 32 + 60])('a length of %d is an error', (length) => {
    expect(() => handle(dns, (frame) => Object.assign(frame, { length }))).toThrow(
      `USV_HANDLER: expected 14 to 2048 for length of a frame, got ${length}`,
    );
  });

  test('addresses of Ethernet and ARP', () => {
    const far = packetHelpers.mac('fe:dc:ba:98:76:54');
    const bytes = handle(arp, (frame) => {
      frame.swapAddresses();
      frame.source = far;
      Object.assign(frame.arp ?? {}, {
        operation: 2,
        senderMac: far,
        targetMac: 1,
        senderIp: 5,
        targetIp: 2 ** 32 - 1,
      });
    })?.frames[0]?.bytes;
    expect([...(bytes ?? [])]).toEqual([
      ...[2, 0, 0, 0, 0, 1, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 8, 6, 0, 1, 8, 0, 6, 4, 0, 2],
      ...[0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0, 0, 0, 5, 0, 0, 0, 0, 0, 1, 255, 255, 255, 255],
    ]);
  });
});
