// SPDX-License-Identifier: Apache-2.0
//
// Agent and switch without a capability, behind the walls of a pod, take the whole road of two pods: registration, Allocate
// with slices, ADD with a tap and host-local, frames from pod to pod, CHECK, restarts, DEL and GC, and nothing is left. What
// needs a privilege is done by the shim, which a runtime starts as root.

import { chownSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually } from '../support/eventually.ts';
import { groupNeeds } from '../support/need.ts';
import { type Pod, RealNode } from './node.ts';
import { inPublic, missingFor, nobody, nobodysUid, ourselves, testAs } from './person.ts';
import { Program } from './program.ts';
import { privilegesOf } from './walls.ts';

const slowMillis = 120_000;
const none = '0000000000000000';
const nothing = { CapInh: none, CapPrm: none, CapEff: none, CapBnd: none, CapAmb: none, NoNewPrivs: '1' };

const onNode = groupNeeds('unshare', 'nsenter', 'ip', 'ping', 'host-local');

onNode('without a capability, as root', () => takesTheWholeRoad(0));

// Where the directories of the node are that user's, as an administrator can make them.
if (missingFor(nobody) === undefined)
  onNode('without a capability, as an ordinary user', () => takesTheWholeRoad(nobodysUid));
else
  describe('without a capability', () => {
    testAs(nobody)('as an ordinary user', () => Promise.reject(new Error('never run')));
  });

function takesTheWholeRoad(uid: number): void {
  let node: RealNode;
  let memory: string;
  let before: string[];

  const config = (): object => ({
    endpoint: 'tap',
    uid,
    ipam: {
      type: 'host-local',
      dataDir: join(node.paths.root, 'leases'),
      ranges: [[{ subnet: '10.9.0.0/24' }]],
    },
  });
  const done = { status: 0, stderr: '' };

  beforeAll(async () => {
    memory = mkdtempSync('/dev/shm/usv-');
    if (uid !== 0) chownSync(memory, uid, uid);
    const slices = JSON.stringify([{ kind: 'shm', sizeMi: 2, count: 2, directory: memory }]);
    node = await RealNode.start({ walls: { uid }, env: { USVHOST_AGENT_SLICES: slices } });
    before = node.state();
  }, slowMillis);

  afterAll(async () => {
    await node.close();
    rmSync(memory, { recursive: true, force: true });
  });

  test('the kernel says so', () => {
    const [switchPid = 0, agentPid = 0] = node.daemons();
    for (const pid of [switchPid, agentPid]) {
      expect(privilegesOf(pid)).toEqual({ Uid: String(uid === 0 ? process.getuid?.() : uid), ...nothing });
      for (const kind of ['mnt', 'pid', 'net', 'ipc', 'uts'])
        expect(statSync(`/proc/${pid}/ns/${kind}`).ino).not.toBe(statSync(`/proc/self/ns/${kind}`).ino);
    }
  });

  test('slices are made and given out, and made anew for the next pod', async () => {
    const resource = 'usvhost.io/shm-2Mi';
    const health = (): string[] => [...(node.kubelet.devices(resource)?.values() ?? [])];
    await node.kubelet.until(
      () => health().length === 2 && !health().includes('Unhealthy'),
      'healthy slices',
    );
    for (let times = 0; times < 2; times++) {
      const { devices, response } = await node.kubelet.allocate(resource, 2);
      for (const { host_path } of response.mounts) expect(statSync(host_path).size).toBe(2 * 1024 * 1024);
      node.kubelet.release(resource, devices);
    }
  });

  test(
    'two pods: ADD, ping through the switch, CHECK, DEL',
    async () => {
      const pods = [await node.pod(), await node.pod()];
      const dataplanes: Program[] = [];
      try {
        const results = [];
        for (const pod of pods) {
          const added = await node.cni('ADD', pod, config());
          expect(added).toMatchObject(done);
          results.push(JSON.parse(added.stdout));
        }
        for (const [n, pod] of pods.entries())
          dataplanes.push(tapOf(pod, results[n].interfaces[0].socketPath));
        const [, { ips }] = results;
        const target = String(ips[0].address).split('/')[0] ?? '';
        const ping = await node.exec([
          ...['nsenter', `--net=${pods[0]?.netns}`, '--'],
          ...['ping', '-n', '-c', '3', '-i', '0.2', '-w', '30', target],
        ]);
        // The first ones may be sent before the ports are up.
        expect(ping).toMatchObject({ status: 0, stderr: '' });
        for (const [n, pod] of pods.entries())
          expect(await node.cni('CHECK', pod, { ...config(), prevResult: results[n] })).toMatchObject(done);
      } finally {
        for (const dataplane of dataplanes) await dataplane.stop('SIGKILL');
      }
      for (const pod of pods) expect(await node.cni('DEL', pod, config())).toMatchObject(done);
      expect(leftIn()).toEqual([]);
    },
    slowMillis,
  );

  test(
    'the agent restarts between ADD and DEL, in peace and by force',
    async () => {
      const pod = await node.pod();
      const added = await node.cni('ADD', pod, config());
      expect(added).toMatchObject(done);
      expect(await node.stopAgent()).toMatchObject({ status: 0 });
      await node.startAgent();
      const prevResult: unknown = JSON.parse(added.stdout);
      expect(await node.cni('CHECK', pod, { ...config(), prevResult })).toMatchObject(done);
      await node.killAgent();
      expect(await node.cni('DEL', pod, config())).toMatchObject(done);
      await node.startAgent();
      // The address is given back with the hands of another call.
      const other = await node.pod();
      const left = async (): Promise<string[]> => {
        expect(await node.cni('DEL', other, config())).toMatchObject(done);
        return leftIn();
      };
      await eventually(left, ({ length }) => length === 0, 'nothing left', { millis: 30_000 });
    },
    slowMillis,
  );

  test(
    'the switch restarts, then GC',
    async () => {
      const pod = await node.pod();
      expect(await node.cni('ADD', pod, config())).toMatchObject(done);
      const ports = await node.control.portNames();
      expect(ports).toHaveLength(1);
      await node.killSwitch();
      await node.startSwitch();
      await eventually(
        () => node.control.portNames(),
        (now) => JSON.stringify(now) === JSON.stringify(ports),
        'the port back',
      );
      const gc = { ...config(), 'cni.dev/valid-attachments': [] };
      expect(await node.cni('GC', pod, gc)).toMatchObject(done);
      expect(leftIn()).toEqual([]);
    },
    slowMillis,
  );

  test(
    'a pod that listened leaves what only root could remove',
    async () => {
      const pod = await node.pod();
      const listening = { podRole: 'server', endpoint: 'socket' };
      expect(await node.cni('ADD', pod, listening)).toMatchObject(done);
      const [port = ''] = await node.control.portNames();
      const place = join(node.paths.podsDir, pod.device, 'net1');
      // Users of the pod, each with a directory that nobody else may enter; in a user namespace of one user, one that nobody may.
      const others = missingFor(nobody) === undefined;
      const become = others ? 'setpriv --reuid=$uid --regid=$uid --clear-groups' : '';
      const leave = 'mkdir -m 700 $0 $0/inner; touch $0/inner/file; chmod 0 $0/inner';
      const script = `cd ${place}; for uid in 1001 1002; do ${become} sh -ec '${leave}' $uid; done; ls`;
      expect(await node.run('sh', '-ec', script)).toContain('1001\n1002\n');
      expect(await node.cni('DEL', pod, listening)).toMatchObject(done);
      expect(existsSync(node.paths.portDir(port))).toBe(false);
      expect(leftIn()).toEqual([]);
    },
    slowMillis,
  );

  /** The dataplane of a pod, without a capability either. */
  function tapOf(pod: Pod, socket: string): Program {
    const command = ourselves.usvhost([
      ...['dataplane', '--port', `net_virtio_user0,path=${socket}`, '--engine', 'tap'],
    ]);
    const ids = uid === 0 ? [] : [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups'];
    const inside = [
      'setpriv',
      ...ids,
      '--inh-caps=-all',
      '--bounding-set=-all',
      '--no-new-privs',
      ...command,
    ];
    const walls = ['nsenter', `--net=${pod.netns}`, '--', 'unshare', '--mount', '--'];
    return new Program([...walls, ...inPublic(inside)], { stdin: '' });
  }

  /** What is below the root and was not before, but for what stays for good: a pod's directory and a network's lock. */
  function leftIn(): string[] {
    const stays =
      /^run\/usvhost\/pods\/port-\d+(\/mem(\/shm-2Mi-\d)?)?$|^leases(\/net(\/(lock|last_reserved_ip\.0))?)?$|tombstones$/;
    return node.state().filter((line) => !before.includes(line) && !stays.test(line));
  }
}
