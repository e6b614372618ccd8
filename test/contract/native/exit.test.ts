// SPDX-License-Identifier: Apache-2.0
//
// A process with a running switch and a running driver ends normally, closed or not, though events are still queued.

import { spawnSync } from 'node:child_process';
import { expect, test } from '@jest/globals';
import { temporaryRoots } from '../../fakes/temporary-root.ts';

const newRoot = temporaryRoots();
const support = new URL('../../support/running.ts', import.meta.url).href;

test.each([
  ['after close()', 'driver.close(); ours.close();'],
  ['without close()', ''],
  ['by process.exit()', 'process.exit(0);'],
])('a process ends by itself %s', (_, end) => {
  const program = `
    import { RunningDriver, RunningSwitch } from ${JSON.stringify(support)};
    const ours = new RunningSwitch({ directory: process.argv[1] });
    const engine = { kind: 'responder', mac: '02:00:00:00:00:01', ip: '10.0.0.1' };
    const driver = new RunningDriver({ path: ours.addPort('a'), queueSize: 256, engine });
    await driver.linkUp();
    ${end}
  `;
  const args = ['--input-type=module', '-e', program, newRoot()];
  // A process that hangs ignores SIGTERM as well.
  const options = { encoding: 'utf8', timeout: 10_000, killSignal: 'SIGKILL' } as const;
  const ended = spawnSync(process.execPath, args, options);
  expect(ended).toMatchObject({ status: 0, signal: null, stderr: '' });
});
