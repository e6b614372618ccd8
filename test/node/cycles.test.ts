// SPDX-License-Identifier: Apache-2.0
//
// A node as it is shipped does the same many times over, and nothing grows. Memory is compared only after a warm-up, in
// which code is compiled and caches fill.

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Pod, RealNode } from '../e2e/node.ts';
import { tree } from '../e2e/person.ts';
import { eventually } from '../support/eventually.ts';
import { groupNeeds } from '../support/need.ts';

const startMillis = 60_000;
const slowMillis = 300_000;
const warmUp = 700;
const cycles = 1000;
/** What V8 may keep more of, whose collector comes when it likes; a leak of 6 KB for each cycle is found. */
const toleranceKilobytes = 6144;

/** Of one daemon; sockets are descriptors too. */
interface Uses {
  readonly descriptors: number;
  readonly mounts: number;
  readonly kilobytes: number;
}

groupNeeds(
  'unshare',
  'nsenter',
  'ip',
  'host-local',
)('a node', () => {
  let node: RealNode;
  let pod: Pod;
  let leases: string;

  beforeAll(async () => {
    execFileSync(process.execPath, [join(tree, 'scripts/bundle.ts')], { stdio: 'ignore' });
    process.env['USVHOST_NODE'] ??= process.execPath;
    node = await RealNode.start({ launch: (args) => [join(tree, 'build/bundle/usvhost'), ...args] });
    pod = await node.pod();
    leases = join(node.paths.root, 'leases');
  }, startMillis);

  afterAll(() => node.close());

  const uses = (): Uses[] =>
    node.daemons().map((pid) => ({
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
      mounts: readFileSync(`/proc/${pid}/mountinfo`, 'utf8').split('\n').length,
      kilobytes: Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]),
    }));

  /** ADD and DEL as often as given, in one shell. */
  async function repeat(count: number): Promise<void> {
    const file = join(node.paths.root, 'network');
    const ipam = { type: 'host-local', dataDir: leases, ranges: [[{ subnet: '10.9.0.0/24' }]] };
    const network = { cniVersion: '1.1.0', name: 'net', type: 'usvhost', deviceID: pod.device, ipam };
    writeFileSync(file, JSON.stringify(network));
    const script = `n=0
while [ $n -lt ${count} ]; do
  CNI_COMMAND=ADD "$0" <"$1" >/dev/null || exit 1
  CNI_COMMAND=DEL "$0" <"$1" || exit 2
  n=$((n+1))
done`;
    const env = {
      USVHOST_ROOT: node.paths.root,
      CNI_CONTAINERID: pod.containerId,
      CNI_NETNS: pod.netns,
      CNI_IFNAME: 'net1',
      CNI_PATH: '/usr/lib/cni',
    };
    const exit = await node.exec(['sh', '-c', script, join(tree, 'build/native/usvhost'), file], env);
    expect(exit).toMatchObject({ status: 0, stderr: '' });
  }

  const isWithin = (now: Uses, before: Uses | undefined): boolean =>
    before !== undefined &&
    now.descriptors <= before.descriptors &&
    now.mounts <= before.mounts &&
    now.kilobytes <= before.kilobytes + toleranceKilobytes;

  test(
    `attaches and detaches ${cycles} times: no descriptor, directory, file, mount or lease more, and no memory`,
    async () => {
      await repeat(warmUp);
      const before = { state: node.state(), uses: uses() };
      await repeat(cycles);
      expect(node.state()).toEqual(before.state);
      expect(readdirSync(join(leases, 'net')).toSorted()).toEqual(['last_reserved_ip.0', 'lock']);
      const links = await node.run('nsenter', `--net=${pod.netns}`, 'ip', '-o', 'link');
      expect(links.trim().split('\n')).toHaveLength(1);
      // The last connection may still be closing.
      await eventually(
        uses,
        (now) => now.every((use, n) => isWithin(use, before.uses[n])),
        `no more than ${JSON.stringify(before.uses)} and ${toleranceKilobytes} kB of memory`,
      );
    },
    slowMillis,
  );
});
