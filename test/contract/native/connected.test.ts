// SPDX-License-Identifier: Apache-2.0
//
// `usvhost check --connected` as the startup probe of a sidecar, with our switch and our driver: it fails without a driver and
// succeeds with one, whose link it leaves alone.

import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from '@jest/globals';
import { temporaryRoots } from '../../fakes/temporary-root.ts';
import { RunningDriver, RunningSwitch } from '../../support/running.ts';
import { contract } from '../../unit/dataplane/contract.ts';

const newRoot = temporaryRoots();
const launcher = fileURLToPath(new URL('../../../cli/usvhost', import.meta.url));
const undo: (() => void)[] = [];

afterEach(() => {
  for (const step of undo.splice(0).toReversed()) step();
});

/** Exit status of the probe, as the kubelet starts it. */
function probe(mount: string): number | null {
  return spawnSync(launcher, ['check', mount, '--connected'], { timeout: 15_000 }).status;
}

test('the probe of a sidecar', async () => {
  const mount = newRoot();
  const place = join(mount, 'net1');
  mkdirSync(place);
  // The tap of a pod needs a namespace and is no matter of this test.
  writeFileSync(join(place, 'port.json'), JSON.stringify({ ...contract, endpoint: 'socket' }));
  expect(probe(mount)).toBe(1);

  const ours = new RunningSwitch({ directory: place });
  undo.push(() => ours.close());
  const path = ours.addPort('vhost');
  expect(path).toBe(join(place, 'vhost.sock'));
  expect(probe(mount)).toBe(1);

  const engine = { kind: 'responder', mac: '02:00:00:00:00:01', ip: '10.0.0.1' } as const;
  const driver = new RunningDriver({ path, queueSize: 256, engine });
  undo.push(() => driver.close());
  await driver.linkUp();
  expect(probe(mount)).toBe(0);
  expect(probe(place)).toBe(0);
  expect([driver.linksUp, ours.port('vhost').state]).toEqual([1, 'up']);
});
