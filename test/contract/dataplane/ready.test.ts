// SPDX-License-Identifier: Apache-2.0
//
// What holds a pod's start until its sidecar has a link, with our switch and our dataplane as processes: `usvhost ready` waits at the
// dataplane's ready socket, also when it comes before the dataplane.

import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect, test } from '@jest/globals';
import { shimFile } from '../../../native/shim-file.ts';
import { type Program, usvhost } from '../../e2e/program.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';
import { RunningSwitch } from '../../support/running.ts';

const newRoot = temporaryRoots();
const undo: (() => unknown)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).toReversed()) await step();
});

/** What the probe ends with, and why. */
async function probe(...args: readonly string[]): Promise<{ status: number; words: string }> {
  try {
    await promisify(execFile)(shimFile, ['ready', ...args], { timeout: 30_000 });
    return { status: 0, words: '' };
  } catch (error) {
    const { code, stderr } = error as { code: number; stderr: string };
    return { status: code, words: stderr };
  }
}

function start(socketPath: string, ready: string, nodeOptions = ''): Program {
  const port = `net_virtio_user0,path=${socketPath}`;
  const responder = ['--engine', 'responder', '--mac', '02:00:00:00:00:01', '--ip', '10.0.0.1'];
  const program = usvhost(['dataplane', ...responder, '--port', port, '--ready-socket', ready], {
    env: { USVHOST_LOG: 'info', NODE_OPTIONS: nodeOptions },
  });
  undo.push(() => program.stop());
  return program;
}

function aSwitch(directory: string): RunningSwitch {
  const ours = new RunningSwitch({ directory });
  undo.push(() => ours.close());
  return ours;
}

const places = {
  'an abstract socket': (directory: string) => `@usvhost-test-${directory.replaceAll('/', '-')}`,
  'a path': (directory: string) => join(directory, 'ready.sock'),
};

test.each(Object.entries(places))(
  'the probe comes first and ends when the link is up, over %s',
  async (_, name) => {
    const directory = newRoot();
    const ready = name(directory);
    const path = aSwitch(directory).addPort('vhost');
    const asked = probe(ready, '20000');
    start(path, ready);
    expect(await asked).toEqual({ status: 0, words: '' });
    // Later ones do not wait for another link.
    expect(await probe(ready, '5000')).toEqual({ status: 0, words: '' });
  },
  30_000,
);

test('a dataplane without its link is not ready, until it has one, and again when it has lost it', async () => {
  const directory = newRoot();
  const ready = join(directory, 'ready.sock');
  const program = start(join(directory, 'vhost.sock'), ready);
  await program.says('link is down');
  expect(await probe(ready, '200')).toEqual({
    status: 1,
    words: `${ready}: the dataplane runs, but not all its links are up\n`,
  });
  // Who waits in vain and goes away leaves nothing behind.
  connect(ready).destroy();

  const ours = aSwitch(directory);
  ours.addPort('vhost');
  expect(await probe(ready, '20000')).toMatchObject({ status: 0 });
  ours.close();
  await program.says('link is down', 2);
  expect(await probe(ready, '200')).toMatchObject({ status: 1 });
}, 60_000);

/** As the launcher and the image start Node, with V8's own word on each collection (which Node takes from no environment) on standard output. */
const traced = `--expose-gc --import=data:text/javascript,import{setFlagsFromString}from'node:v8';setFlagsFromString('--trace-gc')`;

test('what only its start needed it gives back when its links are up, once', async () => {
  const directory = newRoot();
  const collections = (program: Program): number => program.stdout.split('Mark-Compact (reduce)').length - 1;
  const socketPath = join(directory, 'vhost.sock');
  const program = start(socketPath, `@usvhost-test-${directory.replaceAll('/', '-')}`, traced);
  await program.says('link is down');
  expect(collections(program)).toBe(0);
  const first = aSwitch(directory);
  first.addPort('vhost');
  await program.until(() => collections(program) > 0, 'it collected');
  const sizes = /Mark-Compact \(reduce\) [\d.]+ \(([\d.]+)\) -> [\d.]+ \(([\d.]+)\)/.exec(program.stdout);
  const [before = 0, after = 0] = sizes?.slice(1).map(Number) ?? [];
  expect(after).toBeLessThan(before);
  first.close();
  await program.says('link is down', 2);
  aSwitch(directory).addPort('vhost');
  await program.says('link is up', 2);
  const once = collections(program);
  await program.stop();
  expect(collections(program)).toBe(once);
}, 60_000);

test('says why it cannot be ready', async () => {
  const directory = newRoot();
  const none = join(directory, 'none');
  expect(await probe(none, '50')).toEqual({ status: 1, words: `${none}: No such file or directory\n` });
  const long = `@${'x'.repeat(200)}`;
  expect(await probe(long, '50')).toEqual({ status: 1, words: `${long}: File name too long\n` });
  for (const args of [[], [none], [none, 'soon'], [none, '-1'], [none, '1', '2']])
    expect(await probe(...args)).toEqual({ status: 2, words: 'usage: usvhost ready SOCKET MILLIS\n' });
});

test('a ready socket that cannot be opened ends the dataplane with its reason', async () => {
  const directory = newRoot();
  const program = start(join(directory, 'vhost.sock'), join(directory, 'absent/ready.sock'));
  const { status, stderr } = await program.ended();
  expect(status).toBe(1);
  expect(stderr).toContain('USV_IO');
  expect(stderr).toContain('absent/ready.sock');
});
