// SPDX-License-Identifier: Apache-2.0
//
// A look at a real socket: a switch that answers, one that is gone, and none.

import { mkdirSync, writeFileSync } from 'node:fs';
import { afterEach, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { look } from '../../../../cli/ports/look.ts';
import { switchConfigSchema } from '../../../../lib/config/switch.ts';
import { hostPaths } from '../../../../lib/names.ts';
import { unary } from '../../../../proto/call.ts';
import type { Port__Output } from '../../../../proto/gen/usvhost/switch/v1/Port.ts';
import { Switch } from '../../../../proto/load.ts';
import { dial } from '../../../../proto/unix.ts';
import type { SwitchDaemon } from '../../../../switch/daemon.ts';
import { startSwitch } from '../../../../switch/daemon.ts';
import { FakeNativeSwitch } from '../../../fakes/native-switch.ts';
import { temporaryRoots } from '../../../fakes/temporary-root.ts';
import { contract } from '../../dataplane/contract.ts';

const newRoot = temporaryRoots();
let daemon: SwitchDaemon | undefined;

afterEach(async () => {
  await daemon?.close();
  daemon = undefined;
});

test('the ports with what port.json says of them', async () => {
  const root = newRoot();
  const paths = hostPaths(root);
  daemon = await startSwitch(switchConfigSchema.parse({ root }), {
    log: pino({ level: 'silent' }),
    createNative: (options, onEvent) => new FakeNativeSwitch(options, onEvent),
  });
  const client = dial(Switch, paths.switchSocket);
  for (const name of ['b', 'a']) {
    await unary<Port__Output>((done) => client.AddPort({ name }, done), {
      peer: 'the switch',
      unreachable: 'USV_SWITCH_UNREACHABLE',
    });
  }
  client.close();
  writeFileSync(`${paths.portDir('a')}/port.json`, JSON.stringify(contract));
  const { ports } = await look(paths);
  expect([...ports.keys()]).toEqual(['a', 'b']);
  expect(ports.get('a')).toMatchObject({ contract, port: { state: 'listening' } });
  expect(ports.get('b')?.contract).toBeUndefined();
});

test('no switch is said at once', async () => {
  const paths = hostPaths(newRoot());
  await expect(look(paths)).rejects.toMatchObject({ code: 'USV_SWITCH_UNREACHABLE' });
  mkdirSync(paths.runDir, { recursive: true });
  await expect(look(paths)).rejects.toThrow(paths.switchSocket);
});
