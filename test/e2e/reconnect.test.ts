// SPDX-License-Identifier: Apache-2.0
//
// kill -9 of a dataplane, then of the switch: both come back, nobody else is touched, and ping goes on.

import { describe, expect, test } from '@jest/globals';
import { runInSandbox } from '../../cli/demo/sandbox.ts';
import { ourselves, testAs, tree } from './person.ts';
import type { Story } from './reconnect-story.ts';

const timeoutMillis = 60_000;
const longestOutageMillis = 10_000;

function check(story: Story): void {
  for (const outage of [story.dataplane, story.switch]) {
    expect(outage.firstAfter).toBeGreaterThan(outage.sentBefore);
    expect(outage.millis).toBeLessThan(longestOutageMillis);
  }
  expect(story.sameDataplanes).toBe(true);
  expect(story.ports).toEqual(['up', 'up']);
  process.stdout.write(
    `outage of ping by ${story.by}: ${story.dataplane.millis} ms without a dataplane, ${story.switch.millis} ms without the switch\n`,
  );
}

describe('ping goes on after kill -9 of a dataplane and of the switch', () => {
  for (const by of ['tap', 'engine'] as const) {
    testAs(ourselves)(
      by === 'tap' ? 'through taps where they can be had' : 'from engine to engine',
      async () => {
        const story = [process.execPath, `${tree}/test/e2e/reconnect-story.ts`];
        const { code, document, leftovers } = await runInSandbox(
          (root) => [...story, root, by],
          AbortSignal.timeout(timeoutMillis - 10_000),
        );
        expect([code, leftovers]).toEqual([0, []]);
        check(JSON.parse(document) as Story);
      },
      timeoutMillis,
    );
  }
});

test('a line of ping is read', async () => {
  const { Answers, readPingLine } = await import('./answers.ts');
  const answers = new Answers();
  readPingLine('PING 10.37.0.2 (10.37.0.2) 56(84) bytes of data.', answers);
  readPingLine('[1700000000.250000] 64 bytes from 10.37.0.2: icmp_seq=1 ttl=64 time=0.3 ms', answers);
  readPingLine('[1700000001.250000] no answer yet for icmp_seq=2', answers);
  expect([answers.sent, answers.last]).toEqual([2, { sequence: 1, millis: 1_700_000_000_250 }]);
});
