// SPDX-License-Identifier: Apache-2.0
//
// What a boot leaves: the disk with the records and the leases, and nothing below /run, no namespace, no mount, another boot
// id. And an agent that is another one by the time the runtime calls.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type Pod, RealNode } from '../e2e/node.ts';
import { groupNeeds } from '../support/need.ts';

const millis = 120_000;
const done = { status: 0, stderr: '' };

groupNeeds(
  'unshare',
  'nsenter',
  'ip',
  'host-local',
)('a node', () => {
  let node: RealNode;

  beforeEach(async () => {
    node = await RealNode.start({ volumes: { 'run/usvhost': '16m' } });
  }, millis);

  afterEach(() => node.close());

  const config = () => ({
    endpoint: 'tap',
    ipam: {
      type: 'host-local',
      dataDir: join(node.paths.root, 'leases'),
      ranges: [[{ subnet: '10.9.0.0/24' }]],
    },
  });
  const add = (pod: Pod) => node.cni('ADD', pod, config());
  const leases = async (): Promise<string[]> =>
    (await node.run('find', join(node.paths.root, 'leases'), '-name', '10.*')).split('\n').filter(Boolean);

  /** Whatever a power cut ends. */
  async function reboot(): Promise<void> {
    await node.killAgent();
    await node.killSwitch();
    await node.endPods();
    const { runDir } = node.paths;
    // The mounts of ports lie on this one.
    await node.run('umount', '--recursive', runDir);
    await node.run('mount', '-t', 'tmpfs', '-o', 'size=16m,mode=0700', 'none', runDir);
    const bootId = join(node.paths.root, 'boot-id');
    const script =
      'cat /proc/sys/kernel/random/uuid >"$0" && mount --bind "$0" /proc/sys/kernel/random/boot_id';
    await node.run('sh', '-c', script, bootId);
    await node.startSwitch();
    await node.startAgent();
  }

  test(
    'that comes up after a power cut has dropped what ended, and gives addresses back',
    async () => {
      const pods = [await node.pod(), await node.pod(), await node.pod()];
      for (const pod of pods) expect(await add(pod)).toMatchObject(done);
      const [kept, , chained] = pods;
      if (kept === undefined || chained === undefined) throw new Error('no pods');
      const [plain] = [await node.pod()];
      expect(await node.cni('ADD', plain)).toMatchObject(done);
      expect(await leases()).toHaveLength(3);

      await reboot();
      expect(await node.control.portNames()).toEqual([]);
      expect(await leases()).toHaveLength(3);

      // The runtime deletes a sandbox of before, if it remembers it, by the path of a namespace that is gone.
      expect(await node.cni('DEL', kept, config())).toMatchObject(done);
      const next = await node.pod();
      const added = await add(next);
      expect(added).toMatchObject(done);
      expect((await leases()).map((path) => path.split('/').at(-1))).toEqual([
        JSON.parse(added.stdout).ips[0].address.split('/')[0],
      ]);
      expect(await node.control.portNames()).toHaveLength(1);
      expect(
        await node.cni('CHECK', next, { ...config(), prevResult: JSON.parse(added.stdout) }),
      ).toMatchObject(done);
      expect(await node.cni('DEL', next, config())).toMatchObject(done);
      expect(await leases()).toEqual([]);
      expect(await node.control.portNames()).toEqual([]);
    },
    millis,
  );

  test(
    'whose agent is restarted between Allocate and ADD',
    async () => {
      const pod = await node.pod();
      await node.killAgent();
      await node.startAgent();
      expect(await add(pod)).toMatchObject(done);
      expect(await node.control.portNames()).toHaveLength(1);
      // Allocated before the agent that now offers its device.
      const other = await node.pod();
      expect(other.device).not.toBe(pod.device);
      for (const each of [pod, other]) expect(await node.cni('DEL', each, config())).toMatchObject(done);
      rmSync(join(node.paths.root, 'leases'), { recursive: true });
    },
    millis,
  );
});
