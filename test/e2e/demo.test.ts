// SPDX-License-Identifier: Apache-2.0
//
// The demo as a user runs it: its document, who can run it, and that nothing of it is left however it ends.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import { type DemoDocument, demoDocumentSchema } from '../../cli/demo/document.ts';
import { temporaryRoots } from '../fakes/temporary-root.ts';
import { breakTree } from './broken-tree.ts';
import { DemoRun } from './demo-run.ts';
import { amRoot, nobody, ourselves, testAs, tree } from './person.ts';

const timeoutMillis = 60_000;
const newRoot = temporaryRoots();
const runs: DemoRun[] = [];

function demo(options: ConstructorParameters<typeof DemoRun>[0]): DemoRun {
  const run = new DemoRun(options);
  runs.push(run);
  return run;
}

afterEach(async () => {
  for (const run of runs.splice(0)) await run.close();
}, timeoutMillis);

/** The last line of standard output. */
function documentOf(stdout: string): unknown {
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
}

function checkDocument(document: DemoDocument): void {
  const { ping, ports, forward, leftovers } = document;
  expect(ping).toMatchObject({ sent: 10, received: 10 });
  expect(ping.rttUs.min).toBeGreaterThan(0);
  expect(ping.rttUs.p50).toBeGreaterThanOrEqual(ping.rttUs.min);
  expect(ping.rttUs.max).toBeGreaterThanOrEqual(ping.rttUs.p50);
  // VIRTIO_F_VERSION_1 is bit 32.
  for (const { features } of ports) expect(BigInt(features) & (1n << 32n)).not.toBe(0n);
  expect(ports.map(({ pod }) => pod)).toEqual(['pod-a', 'pod-b']);
  expect(forward.map(({ size }) => size)).toEqual([64, 1500]);
  for (const { sent, received, drops, mpps, gbps, size } of forward) {
    expect(received).toBeGreaterThan(0);
    expect(sent - received).toBe(Object.values(drops).reduce((sum, value) => sum + value, 0));
    expect(mpps).toBeGreaterThan(0);
    expect(gbps).toBeCloseTo((mpps * size * 8) / 1000, 1);
  }
  expect(leftovers).toEqual([]);
}

test('docs/demo.schema.json is the schema that the command obeys', () => {
  const file = readFileSync(join(tree, 'docs/demo.schema.json'), 'utf8');
  // To write it anew: JSON.stringify of this, indented by two.
  expect(JSON.parse(file)).toEqual(z.toJSONSchema(demoDocumentSchema, { io: 'input' }));
});

describe('--json ends with one document and leaves nothing', () => {
  const persons = [
    [amRoot ? 'as root' : 'as the user of the tests', ourselves],
    ['as a user without privileges', nobody],
  ] as const;

  for (const [name, person] of persons) {
    testAs(person)(
      name,
      async () => {
        const run = demo({ args: ['--json', '--seconds', '0.3'], person });
        const { status, stdout, stderr } = await run.ended();
        expect([status, stderr]).toEqual([0, expect.stringContaining('10 of 10 answered')]);
        // The line of JSON is all there is on standard output.
        expect(stdout.trimEnd()).not.toContain('\n');
        checkDocument(demoDocumentSchema.parse(documentOf(stdout)));
        expect(run.traces()).toEqual([]);
      },
      timeoutMillis,
    );
  }
});

describe('Ctrl-C ends it with 130 and leaves nothing', () => {
  // A moment of a person's choosing, whatever the demo is at.
  for (const millis of [300, 1000, 2500]) {
    testAs(ourselves)(
      `after ${millis} ms`,
      async () => {
        const run = demo({ args: ['--seconds', '20'] });
        await delay(millis);
        run.kill('SIGINT');
        expect(await run.ended()).toMatchObject({ status: 130 });
        expect(run.traces()).toEqual([]);
      },
      timeoutMillis,
    );
  }

  for (const [name, line] of [
    ['while the node starts', /^node /m],
    ['while the second pod is made', /^pod-a /m],
    ['while it forwards', /Mpps/],
  ] as const) {
    testAs(ourselves)(
      name,
      async () => {
        const run = demo({ args: ['--seconds', '20'] });
        await run.says(line);
        run.kill('SIGINT');
        const { status, stderr } = await run.ended();
        expect([status, stderr]).toEqual([130, '']);
        expect(run.traces()).toEqual([]);
      },
      timeoutMillis,
    );
  }
});

describe('a failure ends it with 1 and one line, and leaves nothing', () => {
  const broken = [
    ['the plugin is not built', {}, /^usvhost: USV_NATIVE_BUILD: .*\n$/],
    [
      'the plugin refuses',
      { plugin: '#!/bin/sh\necho refused >&2\nexit 1\n' },
      /^usvhost: USV_IO: .*refused.*\n$/,
    ],
  ] as const;

  for (const [name, how, line] of broken) {
    testAs(ourselves)(
      name,
      async () => {
        const command = [...breakTree(newRoot(), how), 'demo', '--seconds', '0.3'];
        const run = demo({ command });
        const { status, stderr } = await run.ended();
        expect([status, stderr]).toEqual([1, expect.stringMatching(line)]);
        expect(run.traces()).toEqual([]);
      },
      timeoutMillis,
    );
  }
});

testAs(ourselves)(
  'after kill -9 of the outer process the inside ends by itself',
  async () => {
    const run = demo({ args: ['--seconds', '20'] });
    await run.says(/^ping /m);
    run.kill('SIGKILL');
    await run.ended();
    // Nobody was there to remove the empty directory.
    expect(run.traces()).toEqual([expect.stringMatching(/^usvhost-demo-\w+$/)]);
  },
  timeoutMillis,
);
