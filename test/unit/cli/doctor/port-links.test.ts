// SPDX-License-Identifier: Apache-2.0
//
// Each link of a port broken by itself: it is the last one told, with what mends it.

import { rmSync, writeFileSync } from 'node:fs';
import { beforeEach, expect, test } from '@jest/globals';
import { type PortState, portLinks } from '../../../../cli/doctor/port-links.ts';
import { hostPaths } from '../../../../lib/names.ts';
import { backEnds } from '../../../fakes/back-end.ts';
import { temporaryRoots } from '../../../fakes/temporary-root.ts';
import { lookOf, mountOf, seenPort, writePort } from './look.ts';

const newRoot = temporaryRoots();
const listen = backEnds();
let good: PortState;

beforeEach(async () => {
  const paths = hostPaths(newRoot());
  writePort(paths, 'p0');
  await listen(paths.portSocket('p0'), () => undefined);
  good = {
    paths,
    before: lookOf(1000, seenPort('p0', {}, { tx_packets: '1' })),
    now: lookOf(2000, seenPort('p0', {}, { tx_packets: '3' })),
    mounts: [mountOf('p0')],
  };
});

test('a chain that holds', () => {
  const findings = portLinks('p0', good);
  expect(findings.map(({ what, state }) => [what, state])).toEqual(
    ['port', 'directory', 'mount', 'driver', 'features', 'counters'].map((link) => [`p0: ${link}`, 'ok']),
  );
});

test.each<[string, (state: PortState) => Partial<PortState>, string, string]>([
  ['no port', () => ({ now: lookOf(2000) }), 'p0: port', 'usvhost ports'],
  [
    'no directory',
    ({ paths }) => {
      rmSync(paths.portDir('p0'), { recursive: true });
      return {};
    },
    'p0: directory',
    'delete the pod',
  ],
  [
    'another port.json',
    ({ paths }) => {
      writeFileSync(`${paths.portDir('p0')}/port.json`, '{}');
      return {};
    },
    'p0: directory',
    'docs/port-contract.md',
  ],
  [
    'no socket',
    ({ paths }) => {
      rmSync(paths.portSocket('p0'));
      return {};
    },
    'p0: directory',
    'usvhost switch',
  ],
  ['no mount', () => ({ mounts: [mountOf('p1')] }), 'p0: mount', 'nsenter'],
  ['an old mount', () => ({ mounts: [mountOf('p0', { orphaned: true })] }), 'p0: mount', 'delete the pod'],
  ["another's mount", () => ({ mounts: [mountOf('p0', { ifname: 'net2' })] }), 'p0: mount', 'delete the pod'],
  [
    'no driver',
    () => ({ now: lookOf(2000, seenPort('p0', { state: 'listening', last_error: 'USV_RING: x' })) }),
    'p0: driver',
    'kubectl exec -n default app -- usvhost check /var/run/usvhost/net1',
  ],
  [
    'a driver half-way',
    () => ({ now: lookOf(2000, seenPort('p0', { state: 'handshake' })) }),
    'p0: driver',
    'log',
  ],
  [
    'an old driver',
    () => ({ now: lookOf(2000, seenPort('p0', { features: '1' })) }),
    'p0: features',
    'virtio 1.0',
  ],
])('%s', (_, breakIt, what, todo) => {
  const findings = portLinks('p0', { ...good, ...breakIt(good) });
  expect(findings.at(-1)).toMatchObject({ what, state: 'wrong', todo: expect.stringContaining(todo) });
  expect(findings.filter(({ state }) => state === 'wrong')).toHaveLength(1);
});

test('a pod that listens need not have a socket yet', () => {
  const { paths } = good;
  writePort(paths, 'p0', { podRole: 'server' });
  rmSync(paths.portSocket('p0'));
  expect(portLinks('p0', good).map(({ state }) => state)).not.toContain('wrong');
});

test.each([
  [{ tx_packets: '1' }, 'nothing moved'],
  [{ tx_packets: '9', rx_drop_no_buffer: '1' }, 'rx_drop_no_buffer'],
])('counters %j are worth a note', (counters, says) => {
  const findings = portLinks('p0', { ...good, now: lookOf(2000, seenPort('p0', {}, counters)) });
  expect(findings.at(-1)).toMatchObject({ state: 'note', says: expect.stringContaining(says) });
});
