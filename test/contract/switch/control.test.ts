// SPDX-License-Identifier: Apache-2.0
//
// The switch daemon as its clients see it: usvhost.switch.v1 on a real control socket, with ports that really listen.

import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { UsvhostError } from '../../../lib/errors.ts';
import { type HostPaths, hostPaths } from '../../../lib/names.ts';
import { Switch } from '../../../proto/load.ts';
import type { SwitchDaemon } from '../../../switch/daemon.ts';
import { StuckStream } from '../../fakes/stuck-stream.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';
import {
  type ControlClient,
  controlClient,
  type DataPlane,
  fakeDataPlane,
  nativeDataPlane,
  startTestSwitch,
} from './control-client.ts';

const newRoot = temporaryRoots();
/** One list of cases for every data plane. */
const dataPlanes: readonly (readonly [string, DataPlane])[] = [
  ['a data plane without packets', fakeDataPlane],
  ['the native data plane', nativeDataPlane],
];

describe.each(dataPlanes)('with %s', (_, createNative) => {
  let root = '';
  let paths: HostPaths;
  let daemon: SwitchDaemon;
  let client: ControlClient;

  beforeEach(async () => {
    root = newRoot();
    paths = hostPaths(root);
    daemon = await startTestSwitch(root, createNative);
    client = controlClient(paths.switchSocket);
  });

  afterEach(async () => {
    client.close();
    await daemon.close();
  });

  const failure = (code: string) => expect.objectContaining({ code });
  const mac = '02:00:00:00:00:01';

  describe('a second switch', () => {
    test('on the same root gets one clear error and disturbs nothing', async () => {
      await client.addPort({ name: 'pa' });
      await expect(startTestSwitch(root, createNative)).rejects.toMatchObject({
        code: 'USV_RUNNING',
        message: expect.stringContaining(paths.switchSocket),
      });
      expect(await client.portNames()).toEqual(['pa']);
      expect(readdirSync(paths.runDir).sort()).toEqual(['ports', 'stats', 'switch.sock']);
    });

    test('on another root runs beside it', async () => {
      const other = await startTestSwitch(newRoot(), createNative);
      await other.close();
      expect(await client.portNames()).toEqual([]);
    });
  });

  describe('errors', () => {
    test.each(['', '../x', '..', '.', 'a/b', '/etc', 'A', 'p_1', 'a'.repeat(32), 'p\0'])(
      'AddPort and RemovePort refuse the name %j',
      async (name) => {
        await expect(client.addPort({ name })).rejects.toEqual(failure('USV_NAME'));
        await expect(client.removePort(name)).rejects.toEqual(failure('USV_NAME'));
        expect(readdirSync(paths.portsDir)).toEqual([]);
      },
    );

    test('another specification is USV_PORT_OCCUPIED, the code a UsvhostError of ours again', async () => {
      await client.addPort({ name: 'pa', mac });
      const error: unknown = await client
        .addPort({ name: 'pa', mac, mtu: 9000 })
        .catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(UsvhostError);
      expect(error).toMatchObject({
        code: 'USV_PORT_OCCUPIED',
        message: expect.stringMatching(/1500 for mtu of port pa.*9000/),
      });
    });

    test('a link planted in place of the ports directory entry is not followed', async () => {
      symlinkSync(newRoot(), paths.portDir('pa'));
      await expect(client.addPort({ name: 'pa' })).rejects.toEqual(failure('USV_IO'));
      expect(await client.portNames()).toEqual([]);
    });

    test('a switch that is gone is USV_SWITCH_UNREACHABLE', async () => {
      await daemon.close();
      await expect(client.addPort({ name: 'pa' })).rejects.toEqual(failure('USV_SWITCH_UNREACHABLE'));
    });
  });

  describe('ports', () => {
    test('the directories are private at the top and the control socket is 0600', () => {
      expect(statSync(paths.runDir).mode & 0o777).toBe(0o700);
      expect(statSync(paths.switchSocket).mode & 0o777).toBe(0o600);
    });

    test('a port listens with its mode when AddPort answers; the same request again is the same port', async () => {
      const port = await client.addPort({ name: 'pa', mac, socket_mode: 0o660 });
      expect(port).toMatchObject({
        spec: { name: 'pa', mac, socket_mode: 0o660, mtu: 1500 },
        socket_path: paths.portSocket('pa'),
        state: 'listening',
        last_error: '',
      });
      expect(statSync(paths.portSocket('pa')).mode & 0o777).toBe(0o660);
      expect(statSync(paths.portDir('pa')).mode & 0o777).toBe(0o755);
      expect((await client.addPort({ name: 'pa', mac, socket_mode: 0o660 })).spec).toEqual(port.spec);
      expect(await client.portNames()).toEqual(['pa']);
    });

    test('a port is in its network, and an address may be there in each', async () => {
      const red = await client.addPort({ name: 'pa', mac, network: 'red' });
      expect(red.spec).toMatchObject({ network: 'red' });
      expect((await client.addPort({ name: 'pb', mac, network: 'blue' })).spec?.network).toBe('blue');
      expect((await client.addPort({ name: 'pc', mac })).spec?.network).toBe('');
      await expect(client.addPort({ name: 'pd', mac, network: 'red' })).rejects.toEqual(
        failure('USV_PORT_OCCUPIED'),
      );
      await expect(client.addPort({ name: 'pa', mac, network: 'blue' })).rejects.toMatchObject({
        code: 'USV_PORT_OCCUPIED',
        message: expect.stringMatching(/red for network of port pa.*blue/),
      });
      await expect(client.addPort({ name: 'pd', network: 'a b' })).rejects.toEqual(failure('USV_NAME'));
      expect(await client.removePort('pa')).toBe(true);
      expect((await client.addPort({ name: 'pd', mac, network: 'red' })).spec?.network).toBe('red');
    });

    test("a port that connects has a directory for its pod, and RemovePort takes the pod's things with it", async () => {
      const port = await client.addPort({ name: 'pa', role: 'connect' });
      expect(port).toMatchObject({
        spec: { role: 'connect', socket_mode: 0o777 },
        socket_path: paths.portSocket('pa'),
        state: 'connecting',
      });
      expect(statSync(paths.portDir('pa')).mode & 0o7777).toBe(0o1777);
      await expect(client.addPort({ name: 'pa' })).rejects.toEqual(failure('USV_PORT_OCCUPIED'));
      await expect(client.addPort({ name: 'pb', role: 'server' })).rejects.toEqual(failure('USV_USAGE'));
      writeFileSync(join(paths.portDir('pa'), 'whatever'), '');
      expect(await client.removePort('pa')).toBe(true);
      expect(existsSync(paths.portDir('pa'))).toBe(false);
    });

    test('many at once are all made, and equal ones once', async () => {
      const names = Array.from({ length: 16 }, (_, index) => `p${index % 8}`);
      await Promise.all(names.map((name) => client.addPort({ name })));
      expect(await client.portNames()).toEqual(['p0', 'p1', 'p2', 'p3', 'p4', 'p5', 'p6', 'p7']);
    });

    test('RemovePort takes socket, port.json and directory away, and repeats succeed', async () => {
      await client.addPort({ name: 'pa' });
      writeFileSync(join(paths.portDir('pa'), 'port.json'), '{}');
      expect(await client.removePort('pa')).toBe(true);
      expect(existsSync(paths.portDir('pa'))).toBe(false);
      expect(await client.removePort('pa')).toBe(false);
    });

    test('RemovePort leaves what is not ours and still succeeds', async () => {
      await client.addPort({ name: 'pa' });
      mkdirSync(join(paths.portDir('pa'), 'of-the-pod'));
      expect(await client.removePort('pa')).toBe(true);
      expect(readdirSync(paths.portDir('pa'))).toEqual(['of-the-pod']);
      expect(await client.portNames()).toEqual([]);
    });

    test('Stats has counters by port', async () => {
      await client.addPort({ name: 'pa' });
      const stats = await client.stats();
      expect(Object.keys(stats)).toEqual(['pa']);
      for (const value of Object.values(stats['pa'] ?? {})) expect(value).toMatch(/^\d+$/);
    });
  });

  describe('restart', () => {
    test('keeps the directory of a pod, so that the pod sees the new socket in it', async () => {
      await client.addPort({ name: 'pa' });
      await client.addPort({ name: 'unused' });
      writeFileSync(join(paths.portDir('pa'), 'port.json'), '{}');
      const { ino } = statSync(paths.portDir('pa'));
      await daemon.close();
      expect(readdirSync(paths.runDir).sort()).toEqual(['ports', 'stats']);
      expect(readdirSync(paths.portsDir)).toEqual(['pa']);
      expect(readdirSync(paths.portDir('pa'))).toEqual(['port.json']);

      daemon = await startTestSwitch(root, createNative);
      await client.ready();
      expect(await client.portNames()).toEqual([]);
      await client.addPort({ name: 'pa' });
      expect(statSync(paths.portDir('pa')).ino).toBe(ino);
      expect(readdirSync(paths.portDir('pa')).sort()).toEqual(['port.json', 'vhost.sock']);
    });
  });

  describe('WatchPorts', () => {
    test('a snapshot of all ports first, then each change with its reason', async () => {
      await client.addPort({ name: 'pa' });
      const watch = client.watch();
      expect(await watch.next()).toMatchObject({
        event: 'snapshot',
        snapshot: { ports: [{ spec: { name: 'pa' } }] },
      });
      await client.addPort({ name: 'pb' });
      expect(await watch.next()).toMatchObject({
        changed: { port: { spec: { name: 'pb' }, state: 'listening' }, reason: 'added' },
      });
      await client.removePort('pa');
      // The data plane may tell of the new port's state meanwhile.
      expect(await watch.until(({ event }) => event !== 'changed')).toMatchObject({
        event: 'removed',
        removed: 'pa',
      });
    });

    test('a front-end that connects and leaves is seen', async () => {
      await client.addPort({ name: 'pa' });
      const watch = client.watch();
      await watch.next();
      const frontEnd = connect(paths.portSocket('pa'));
      const connected = await watch.until((event) => event.changed?.port?.state !== 'listening');
      expect(connected.changed?.port).toMatchObject({ spec: { name: 'pa' }, connections: '1' });
      frontEnd.destroy();
      const left = await watch.until((event) => event.changed?.port?.state === 'listening');
      expect(left.changed?.reason).not.toBe('');
    });

    test('a watcher that never reads costs little, holds nobody up, and sees the truth when it reads at last', async () => {
      const stuck = new StuckStream(paths.switchSocket, Switch.service.WatchPorts);
      await stuck.open;
      for (let round = 0; round < 200; round++) {
        await client.addPort({ name: `p${round % 8}` });
        await client.removePort(`p${round % 8}`);
      }
      await client.addPort({ name: 'last' });
      const events = await stuck.readUntil((event) => event.changed?.port?.spec?.name === 'last');
      // Of 401 changes: what the buffers on the way took, then the newest of each port.
      expect(events.length).toBeLessThan(100);
      const view = new Set<string>();
      for (const { changed, removed } of events) {
        if (changed !== undefined && changed !== null) view.add(changed.port?.spec?.name ?? '');
        if (removed !== undefined) view.delete(removed);
      }
      expect([...view]).toEqual(['last']);
      stuck.close();
    });

    test('a watcher that never reads does not keep the switch from stopping', async () => {
      const stuck = new StuckStream(paths.switchSocket, Switch.service.WatchPorts);
      await stuck.open;
      for (let round = 0; round < 50; round++) {
        await client.addPort({ name: 'pa' });
        await client.removePort('pa');
      }
      await daemon.close();
      expect(readdirSync(paths.runDir).sort()).toEqual(['ports', 'stats']);
      stuck.close();
    });

    test('a watcher that dies in the middle disturbs nobody', async () => {
      const dying = client.watch();
      const staying = client.watch();
      await dying.next();
      await staying.next();
      dying.cancel();
      await client.addPort({ name: 'pa' });
      expect(await staying.next()).toMatchObject({ event: 'changed' });
      expect(await client.portNames()).toEqual(['pa']);
    });

    test('ends when the switch stops', async () => {
      const watch = client.watch();
      await watch.next();
      await daemon.close();
      await watch.ended;
    });
  });
});
