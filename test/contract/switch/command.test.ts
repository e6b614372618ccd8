// SPDX-License-Identifier: Apache-2.0
//
// `usvhost switch` as a process: it is ready when its socket exists, stops cleanly on a signal, and leaves a kill behind
// it that the next one cleans up.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type HostPaths, hostPaths } from '../../../lib/names.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';
import { controlClient } from './control-client.ts';

const newRoot = temporaryRoots();
const children: ChildProcess[] = [];
const program = fileURLToPath(new URL('../../../cli/usvhost.ts', import.meta.url));

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

interface Run {
  readonly child: ChildProcess;
  /** Exit code or signal, and everything on standard error. */
  readonly ended: Promise<{ readonly status: number | string | null; readonly stderr: string }>;
}

function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Run {
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', program, 'switch', ...args],
    {
      env: { ...process.env, USVHOST_LOG: 'info', ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  children.push(child);
  const exit = once(child, 'exit');
  const ended = Promise.all([exit, text(child.stderr)]).then(
    ([[code, signal], stderr]: [unknown[], string]) => ({
      status: typeof code === 'number' ? code : String(signal),
      stderr,
    }),
  );
  return { child, ended };
}

/** Starts a switch and waits for its socket to exist, as whoever starts one may. */
async function start(paths: HostPaths, args: readonly string[] = []): Promise<Run> {
  mkdirSync(paths.runDir, { recursive: true });
  const watcher = watch(paths.runDir);
  const running = run(['--root', paths.root, ...args]);
  const died = running.ended.then(({ stderr }) => Promise.reject(new Error(stderr)));
  while (!existsSync(paths.switchSocket)) await Promise.race([once(watcher, 'change'), died]);
  died.catch(() => {});
  watcher.close();
  return running;
}

describe('wrong use ends with 2 and one line', () => {
  test.each([
    ['an unknown flag', ['--cpu', '1'], '--cpu'],
    ['cpus that are none', ['--cpus', '1,x'], '--cpus'],
    ['a cpu twice', ['--cpus', '0,0'], '--cpus'],
    ['a number that is none', ['--max-ports', 'many'], '--max-ports'],
    ['a configuration file that is missing', ['--config', '/nonexistent/file'], '--config'],
    ['a relative root', ['--root', 'here'], 'root'],
  ])('%s', async (_, args, named) => {
    const { status, stderr } = await run(['--root', newRoot(), ...args]).ended;
    expect([status, stderr.includes(named)]).toEqual([2, true]);
    expect(stderr).not.toContain('    at ');
  });

  test('an unknown field of the configuration', async () => {
    const root = newRoot();
    const file = join(root, 'switch.json');
    writeFileSync(file, JSON.stringify({ root, maxPort: 4 }));
    const { status, stderr } = await run(['--config', file]).ended;
    expect([status, stderr.includes('USV_CONFIG'), stderr.includes('maxPort')]).toEqual([2, true, true]);
  });
});

describe('a life', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('%s ends it with 0 and leaves no socket', async (signal) => {
    const paths = hostPaths(newRoot());
    const { child, ended } = await start(paths);
    child.kill(signal);
    const { status, stderr } = await ended;
    expect(status).toBe(0);
    expect(stderr).toContain('switch is listening');
    expect(readdirSync(paths.runDir).filter((name) => name.endsWith('.sock'))).toEqual([]);
  });

  test('a second one on the same root ends with 1 and one line that names the socket', async () => {
    const paths = hostPaths(newRoot());
    await start(paths);
    const { status, stderr } = await run(['--root', paths.root]).ended;
    expect([status, stderr.includes('USV_RUNNING'), stderr.includes(paths.switchSocket)]).toEqual([
      1,
      true,
      true,
    ]);
    expect(stderr).not.toContain('    at ');
  });

  test('after kill -9 the next one takes over socket and port directories', async () => {
    const paths = hostPaths(newRoot());
    const first = await start(paths);
    const before = controlClient(paths.switchSocket);
    await before.addPort({ name: 'pa' });
    before.close();
    writeFileSync(join(paths.portDir('pa'), 'port.json'), '{}');
    first.child.kill('SIGKILL');
    await first.ended;
    // A client of its own: the one of before may not have noticed yet that its connection is gone.
    const client = controlClient(paths.switchSocket);
    const second = run(['--root', paths.root], { USVHOST_SWITCH_MAX_PORTS: '1' });
    await client.ready();
    await client.addPort({ name: 'pa' });
    await expect(client.addPort({ name: 'pb' })).rejects.toMatchObject({ code: 'USV_PORT_LIMIT' });
    expect(await client.removePort('pa')).toBe(true);
    client.close();
    second.child.kill('SIGTERM');
    expect((await second.ended).status).toBe(0);
    expect(readdirSync(paths.portsDir)).toEqual([]);
  });
});
