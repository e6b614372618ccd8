// SPDX-License-Identifier: Apache-2.0
//
// An ADD that fails at any of its steps leaves nothing: no mount, directory, tap, lease or port. Also when a process is
// killed in the middle: then the DEL that follows does it.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, rmSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { attachmentPort } from '../../../cni/attachment.ts';
import type { Steps } from '../../../cni/session.ts';
import { ipamDirectory, onNode, type Pod, TestNode } from './node.ts';

onNode('undo', () => {
  let node: TestNode;
  let pod: Pod;

  beforeEach(async () => {
    node = await TestNode.start();
    pod = await node.pod();
  });

  afterEach(() => node.close());

  async function taps(): Promise<string[]> {
    const list = JSON.parse(await pod.run('ip', '-j', 'link')) as { readonly ifname: string }[];
    return list.map(({ ifname }) => ifname);
  }

  async function expectNothing(): Promise<void> {
    expect(await node.traces()).toEqual([]);
    expect(await taps()).toEqual(['lo']);
  }

  describe('ADD fails at', () => {
    test('IPAM: no address is left', async () => {
      const ranges = [[{ subnet: '10.9.0.0/24', rangeStart: '10.9.0.5', rangeEnd: '10.9.0.5' }]];
      const ipam = { ...node.hostLocal(), ranges };
      const other = await node.pod();
      expect((await node.cni('ADD', other, node.config(other, { ipam }))).code).toBe(0);
      const before = await node.traces();
      const run = await node.cni('ADD', pod, node.config(pod, { ipam }));
      expect(run).toMatchObject({ code: 1, json: { msg: expect.stringContaining('USV_IPAM') } });
      expect(run.json.msg).toContain('host-local');
      expect(await node.traces()).toEqual(before);
      expect((await node.cni('ADD', pod, node.config(pod))).code).toBe(0);
    });

    test('the switch: it refuses, or it is away', async () => {
      const config = node.config(pod, { ipam: node.hostLocal() });
      node.switch.refuseNext('USV_PORT_OCCUPIED');
      const refused = await node.cni('ADD', pod, config);
      expect(refused.json.msg).toContain('USV_PORT_OCCUPIED');
      await expectNothing();
      await node.switch.kill();
      const away = await node.cni('ADD', pod, config);
      expect(away.json).toMatchObject({ code: 11, msg: expect.stringContaining('USV_SWITCH_UNREACHABLE') });
      await expectNothing();
      await node.switch.start();
      expect((await node.cni('ADD', pod, config)).code).toBe(0);
    });

    test('port.json', async () => {
      const port = attachmentPort({ containerId: pod.containerId, ifname: 'net1' });
      const inTheWay = join(node.root, 'run/usvhost/ports', port, 'port.json');
      mkdirSync(inTheWay, { recursive: true });
      const run = await node.cni('ADD', pod, node.config(pod, { ipam: node.hostLocal() }));
      expect(run.json.msg).toContain('port.json');
      rmSync(join(inTheWay, '..'), { recursive: true, force: true });
      await node.cni('DEL', pod, node.config(pod));
      await expectNothing();
    });

    test('the place in the pod directory', async () => {
      const place = join(node.root, 'run/usvhost/pods', pod.device, 'net1');
      writeFileSync(place, '');
      const run = await node.cni('ADD', pod, node.config(pod, { ipam: node.hostLocal() }));
      expect(run.json.msg).toContain('USV_PORT_OCCUPIED');
      rmSync(place);
      await expectNothing();
    });

    test('the tap: the name is taken', async () => {
      await pod.run('ip', 'tuntap', 'add', 'net1', 'mode', 'tap');
      const run = await node.cni('ADD', pod, node.config(pod, { ipam: node.hostLocal() }));
      expect(run.json.msg).toContain('USV_TAP');
      expect(run.json.msg).toContain('EEXIST');
      expect(await node.traces()).toEqual([]);
      expect(await taps()).toEqual(['lo', 'net1']);
    });

    test('an address', async () => {
      const run = await node.cni('ADD', pod, node.config(pod, { ips: ['10.1.2.3/24', '10.1.2.3/24'] }));
      expect(run.json.msg).toContain('EEXIST');
      await expectNothing();
    });

    test('a route', async () => {
      const ipam = { ...node.hostLocal(), routes: [{ dst: '10.8.0.0/16', gw: '172.16.0.1' }] };
      const run = await node.cni('ADD', pod, node.config(pod, { ipam }));
      expect(run.json.msg).toContain('ENETUNREACH');
      await expectNothing();
    });

    test('a user that the namespace does not know', async () => {
      const run = await node.cni('ADD', pod, node.config(pod, { uid: 0xfffffffe, ipam: node.hostLocal() }));
      if (run.code === 0) expect(await node.cni('DEL', pod, node.config(pod))).toMatchObject({ code: 0 });
      await expectNothing();
    });
  });

  test('the shim is killed before each of its steps: DEL leaves nothing, and an ADD instead of it works', async () => {
    const config = node.config(pod, { ipam: node.hostLocal() });
    let left = 0;
    let shim: ChildProcess | undefined;
    const killing = (steps: Steps): Steps =>
      new Proxy(steps, {
        get: (target, name) => {
          const step: unknown = Reflect.get(target, name);
          if (typeof step !== 'function') return step;
          return (...args: unknown[]): unknown => {
            if (left-- === 0) shim?.kill('SIGKILL');
            return Reflect.apply(step, target, args);
          };
        },
      });
    await node.stopAgent();
    await node.startAgent({ hands: killing });
    for (let at = 0; ; at++) {
      left = at;
      shim = node.spawnShim(node.environment('ADD', pod), JSON.stringify(config));
      await once(shim, 'close');
      left = -1;
      if (shim.signalCode === null) {
        expect(shim.exitCode).toBe(0);
        expect(at).toBeGreaterThan(8);
        break;
      }
      if (at % 2 === 0) expect((await node.cni('DEL', pod, config)).code).toBe(0);
      else expect((await node.cni('ADD', pod, config)).code).toBe(0);
      expect((await node.cni('DEL', pod, config)).code).toBe(0);
      await expectNothing();
    }
  }, 60_000);

  describe('killed in the middle of IPAM', () => {
    let blocked: Promise<unknown>;
    let plugins: string;
    let pidFile: string;

    beforeEach(() => {
      // A plugin that takes an address and then never ends.
      plugins = join(node.root, 'plugins');
      pidFile = join(plugins, 'pid');
      mkdirSync(plugins);
      const script = `#!/bin/sh\nif [ "$CNI_COMMAND" != ADD ]; then exec ${ipamDirectory}/host-local; fi\n${ipamDirectory}/host-local >/dev/null\necho $$ >${pidFile}.tmp\nmv ${pidFile}.tmp ${pidFile}\nexec sleep 600\n`;
      writeFileSync(join(plugins, 'stuck'), script);
      chmodSync(join(plugins, 'stuck'), 0o755);
      blocked = new Promise((resolve) => {
        const watcher = watch(plugins, () => {
          if (!existsSync(pidFile)) return;
          watcher.close();
          resolve(undefined);
        });
      });
    });

    const config = () => {
      return node.config(pod, { cniVersion: '1.0.0', ipam: { ...node.hostLocal(), type: 'stuck' } });
    };
    const spawnAdd = () => {
      const env = { ...node.environment('ADD', pod), CNI_PATH: plugins };
      return node.spawnShim(env, JSON.stringify(config()));
    };

    test('the shim: the plugin dies with it', async () => {
      const shim = spawnAdd();
      await blocked;
      shim.kill('SIGKILL');
      await once(shim, 'close');
      const pid = execFileSync('cat', [pidFile], { encoding: 'utf8' }).trim();
      expect(existsSync(`/proc/${pid}/exe`)).toBe(false);
      expect((await node.cni('DEL', pod, config(), { CNI_PATH: plugins })).code).toBe(0);
      await expectNothing();
    });

    test('the agent: the shim says so; the next agent cleans up', async () => {
      await node.stopAgent();
      const file = fileURLToPath(new URL('agent-process.ts', import.meta.url));
      const agent = spawn(process.execPath, ['--no-warnings', file, node.root], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(agent.stdout, 'data');
      const shim = spawnAdd();
      let stdout = '';
      shim.stdout?.setEncoding('utf8').on('data', (text: string) => {
        stdout += text;
      });
      await blocked;
      agent.kill('SIGKILL');
      await once(agent, 'close');
      process.kill(Number(execFileSync('cat', [pidFile], { encoding: 'utf8' })), 'SIGKILL');
      await once(shim, 'close');
      expect(shim.exitCode).toBe(1);
      expect(JSON.parse(stdout)).toMatchObject({
        code: 11,
        msg: expect.stringContaining('USV_AGENT_UNREACHABLE'),
      });

      await node.startAgent();
      // The port was asked for at the same time; it may have been made or not.
      expect(await node.traces()).toContain('fast/10.9.0.2');
      expect((await node.cni('DEL', pod, config(), { CNI_PATH: plugins })).code).toBe(0);
      await expectNothing();
    });
  });

  test('a second agent on the same root is told so, and the first one goes on', async () => {
    const second = new TestNode(node.root);
    await expect(second.startAgent()).rejects.toMatchObject({ code: 'USV_RUNNING' });
    expect((await node.cni('ADD', pod, node.config(pod))).code).toBe(0);
  });
});
