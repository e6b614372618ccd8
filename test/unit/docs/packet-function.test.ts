// SPDX-License-Identifier: Apache-2.0
//
// The module in manifests/examples/packet-function.yaml, frame by frame. That it runs in a pod is
// test/cluster/helm/examples-packet-function.test.ts's.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseAllDocuments } from 'yaml';
import * as z from 'zod';
import { BurstLoop } from '../../../dataplane/bursts.ts';
import { loadHandler } from '../../../dataplane/handler-module.ts';
import type { PacketHandler } from '../../../dataplane/packet-api.ts';
import { packetHelpers } from '../../../dataplane/packet-helpers.ts';
import { ethernet, ipv4Packet, slowChecksum, udpDatagram } from '../dataplane/packets.ts';
import { SharedBursts } from '../dataplane/shared-bursts.ts';

const example = new URL('../../../manifests/examples/packet-function.yaml', import.meta.url);
const configMap = z.object({ data: z.object({ 'names.ts': z.string() }) });
const directory = mkdtempSync(join(tmpdir(), 'usv-names-'));
const said: string[] = [];
let handler: PacketHandler;

beforeAll(async () => {
  const [first] = parseAllDocuments(readFileSync(example, 'utf8'));
  const file = join(directory, 'names.ts');
  writeFileSync(file, configMap.parse(first?.toJS()).data['names.ts']);
  const say = (text: string): void => void said.push(text);
  handler = await loadHandler(file, {
    ports: [
      { name: 'p', ifname: 'net1', mac: '02:00:00:00:00:02', ips: ['fd00::2/64', '10.0.0.2/24'], mtu: 1500 },
    ],
    log: { info: say, warn: say, error: say },
    helpers: packetHelpers,
  });
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** The frame that comes back, undefined when it is dropped. */
function ask(frame: Uint8Array): number[] | undefined {
  const bursts = new SharedBursts();
  bursts.publish(0, frame);
  const onError = (error: unknown): void => {
    throw error;
  };
  new BurstLoop(bursts, { ports: 1, handler, onError }).turn();
  const [back] = bursts.decided[0]?.frames ?? [];
  return back?.verdict === 0 ? [...back.bytes] : undefined;
}

function query(name: string, type = 1, rest: readonly number[] = []): Uint8Array {
  const labels = name.split('.').flatMap((label) => [label.length, ...Buffer.from(label)]);
  const message = [
    0x12,
    0x34,
    1,
    0,
    0,
    1,
    0,
    0,
    0,
    0,
    0,
    rest.length > 0 ? 1 : 0,
    ...labels,
    0,
    0,
    type,
    0,
    1,
    ...rest,
  ];
  return ethernet(0x0800, ipv4Packet({ protocol: 17, payload: udpDatagram(53, message) }));
}

test('it says where it answers', () => {
  expect(said).toEqual(['names are answered at 10.0.0.2']);
});

test('ARP for its address', () => {
  const request = [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2];
  expect(ask(ethernet(0x0806, request))).toEqual([
    ...[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 6, 0, 1, 8, 0, 6, 4, 0, 2],
    ...[2, 0, 0, 0, 0, 2, 10, 0, 0, 2, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1],
  ]);
  expect(ask(ethernet(0x0806, request.with(27, 3)))).toBeUndefined();
});

describe('DNS', () => {
  test.each([
    ['hello.example', 1, 0, 1, [192, 0, 2, 1]],
    ['WWW.Hello.EXAMPLE', 1, 0, 1, [192, 0, 2, 2]],
    ['hello.example', 28, 0, 0, []],
    ['other.example', 1, 3, 0, []],
    ['xhello.example', 1, 3, 0, []],
  ])('%s, type %d: code %d, %d answers', (name, type, code, answers, address) => {
    // What comes behind the question, as EDNS, is no part of the answer.
    for (const rest of [[], [0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 0]]) {
      const asked = query(name, type, rest);
      const back = ask(asked) ?? [];
      const questionEnd = 14 + 20 + 8 + 12 + name.length + 2 + 4;
      expect(back.length).toBe(questionEnd + answers * 16);
      expect(back.slice(0, 12)).toEqual([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]);
      expect(back.slice(26, 38)).toEqual([10, 0, 0, 2, 10, 0, 0, 1, 0, 53, 0x9c, 0x40]);
      expect(back.slice(42, 54)).toEqual([0x12, 0x34, 0x85, code, 0, 1, 0, answers, 0, 0, 0, 0]);
      expect(back.slice(54, questionEnd)).toEqual([...asked.subarray(54, questionEnd)]);
      const record = answers === 1 ? [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address] : [];
      expect(back.slice(questionEnd)).toEqual(record);
      expect(slowChecksum(back.slice(14, 34))).toBe(0);
      const pseudo = [...back.slice(26, 34), 0, 17, 0, back.length - 34];
      expect(slowChecksum([...pseudo, ...back.slice(34)])).toBe(0);
    }
  });

  test('a query cut off anywhere, another address or port, an answer: dropped', () => {
    const whole = query('hello.example');
    for (let length = 14; length < whole.length; length++)
      expect(ask(whole.subarray(0, length))).toBeUndefined();
    for (const [at, value] of [
      [33, 3],
      [37, 54],
      [44, 0x81],
      [47, 2],
    ] as const)
      expect(ask(whole.with(at, value))).toBeUndefined();
  });

  test('any bytes as a query: it never throws, and what it answers is well-formed', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(255), { maxLength: 80 }), fc.boolean(), (bytes, plausible) => {
        const message = plausible ? [0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...bytes] : bytes;
        const back = ask(ethernet(0x0800, ipv4Packet({ protocol: 17, payload: udpDatagram(53, message) })));
        if (back === undefined) return;
        expect(back.length).toBe(14 + (back[16] ?? 0) * 256 + (back[17] ?? 0));
        expect(slowChecksum(back.slice(14, 34))).toBe(0);
      }),
    );
  });
});
