// SPDX-License-Identifier: Apache-2.0
//
// The node loses its power and comes up again: every process but those of the control plane is killed, what a boot empties is
// empty, the boot id is another one, and the disk is as it was. Our daemons are the caller's: processes of a story die with it and
// are started by the story, pods are the kubelet's to start.

import { run } from '../../cli/demo/process.ts';
import { inside } from './cluster.ts';
import { hold, letGo } from './daemons.ts';
import { pathsIn } from './paths.ts';

const daemons = ['kubelet', 'containerd', 'kube-proxy'] as const;
const controlPlane = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler'];

/** Everything but the first two processes, the control plane and the shell that asks. The loop ends when nobody else is left. */
const killAll = `keep=" 1 $(cat /proc/1/task/1/children) $(for name in ${controlPlane.join(' ')}; do printf '%s ' "$(cat "$1/$name")"; done) $$ "
while
  others=
  for path in /proc/[0-9]*; do
    pid=\${path#/proc/}
    case "$keep" in *" $pid "*) continue ;; esac
    # Neither one that has ended nor a thread of the kernel.
    [ -n "$(tr -d '\\0' 2>/dev/null < "$path/cmdline")" ] && others="$others $pid"
  done
  [ -n "$others" ]
do kill -KILL $others 2>/dev/null || true; sleep 0.05; done`;

/** /run and memory file systems are new; mounts below the disk's directories, such as volumes of pods, are gone. */
const wipe = `set -e
awk '{ print $5 }' /proc/self/mountinfo | grep -E '^(/run/|/dev/shm/|/var/lib/(kubelet|containerd|usvhost)/)' |
  sort -r | while read -r place; do umount --lazy "$place" || ! mountpoint --quiet "$place"; done
for place in /run /dev/shm; do umount --lazy "$place"; mount -t tmpfs -o mode=755 tmpfs "$place"; done
chmod 1777 /dev/shm
umount --lazy /dev/hugepages; mount -t hugetlbfs hugetlbfs /dev/hugepages
mkdir /run/lock /run/netns`;

/** Links of pods went with them; the bridge that they were on is made by the first that comes. */
const network = `ip link delete cni0 2>/dev/null || true; nft flush ruleset`;

const bootId = `boot_id=/proc/sys/kernel/random/boot_id
if grep -q " $boot_id " /proc/self/mountinfo; then umount "$boot_id"; fi
cat /proc/sys/kernel/random/uuid > "$1" && mount --bind "$1" "$boot_id" && cat "$boot_id"`;

/** Ends with all power gone but the control plane's: `comeUp` is next. Returns the boot id that node and containers will see. */
export async function powerCut(): Promise<string> {
  const paths = pathsIn('');
  await hold(...daemons);
  for (const script of [killAll, wipe, network]) await run(inside(['sh', '-c', script, 'sh', paths.pids]));
  return run(inside(['sh', '-c', bootId, 'sh', paths.bootId]));
}

/** The node's own daemons start again. */
export function comeUp(): void {
  letGo(...daemons);
}
