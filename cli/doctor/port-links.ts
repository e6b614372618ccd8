// SPDX-License-Identifier: Apache-2.0
//
// The links of one port, from the switch to the driver in the pod, in the order in which they are made. The first that is
// broken ends the look: what depends on it cannot be right.

import { lstatSync } from 'node:fs';
import { version1Bit, virtioFeatures } from '../../lib/feature-names.ts';
import type { HostPaths } from '../../lib/names.ts';
import { type Finding, note, ok, wrong } from '../check/finding.ts';
import { checkPortJson } from '../check/port-json.ts';
import type { Look, SeenPort } from '../ports/look.ts';
import { dropsOf } from '../ports/port-line.ts';
import type { PortMount } from './mounts.ts';

export interface PortState {
  readonly paths: HostPaths;
  readonly now: Look;
  /** A look before that, for what moves. */
  readonly before: Look;
  readonly mounts: readonly PortMount[];
}

/** Interface of a port in its pod, as far as it is known. */
function place({ contract }: SeenPort): string {
  return `/var/run/usvhost/${contract?.ifname ?? 'IFNAME'}`;
}

function inPod({ contract }: SeenPort): string {
  const pod = contract?.pod;
  return pod === undefined ? 'in the pod: ' : `kubectl exec -n ${pod.namespace} ${pod.name} -- `;
}

function checkDirectory(paths: HostPaths, name: string): Finding {
  const what = `${name}: directory`;
  const directory = paths.portDir(name);
  const stat = lstatSync(directory, { throwIfNoEntry: false });
  const todo = 'delete the pod so that its port is made anew';
  if (stat?.isDirectory() !== true) return wrong(what, `there is no directory ${directory}`, todo);
  const { findings, contract } = checkPortJson(directory);
  const bad = findings.find(({ state }) => state === 'wrong');
  if (bad !== undefined) return wrong(what, `${bad.what}: ${bad.says}`, bad.todo ?? todo);
  // A pod that listens makes its socket itself; that nobody is connected is the next link but one.
  if (contract?.podRole === 'server') return ok(what, `${directory} with port.json, the pod listens`);
  if (lstatSync(paths.portSocket(name), { throwIfNoEntry: false })?.isSocket() === true)
    return ok(what, `${directory} with port.json and socket`);
  return wrong(
    what,
    `there is no socket ${paths.portSocket(name)}`,
    'restart `usvhost switch`; the agent adds the port again',
  );
}

function checkMount(name: string, seen: SeenPort, mounts: readonly PortMount[]): Finding {
  const what = `${name}: mount`;
  const todo = 'delete the pod so that CNI ADD binds it anew';
  const own = mounts.filter(({ port }) => port === name);
  const [mount] = own;
  if (mount === undefined) {
    const says = 'the port is bound into no pod, as seen from this mount namespace';
    return wrong(what, says, `run doctor in the host's mount namespace (nsenter -t 1 -m); else ${todo}`);
  }
  if (own.every(({ orphaned }) => orphaned))
    return wrong(
      what,
      `${mount.point} is a directory that was removed since; the pod sees no new socket`,
      todo,
    );
  if (seen.contract !== undefined && mount.ifname !== seen.contract.ifname)
    return wrong(what, `${mount.point} is not of ${seen.contract.ifname}`, todo);
  return ok(what, mount.point);
}

function checkPeer(name: string, seen: SeenPort): Finding {
  const what = `${name}: driver`;
  const { state, last_error: lastError, connections } = seen.port;
  const because = lastError === '' ? '' : `; the last connection ended with ${lastError}`;
  // Open vSwitch does not count them.
  if (state === 'up') return ok(what, connections === '0' ? 'connected' : `connected, ${connections} so far`);
  if (state === 'handshake')
    return wrong(
      what,
      `connected, but it has not started its rings${because}`,
      `${inPod(seen)}see the driver's log`,
    );
  const todo = `${inPod(seen)}usvhost check ${place(seen)}, then usvhost dataplane --port net_virtio_user0,path=${place(seen)}`;
  return wrong(what, `none is connected${because}`, todo);
}

function checkFeatures(name: string, { port }: SeenPort): Finding {
  const what = `${name}: features`;
  const word = BigInt(port.features);
  const names = virtioFeatures(word).join(', ') || 'none';
  if ((word & version1Bit) !== 0n) return ok(what, names);
  return wrong(what, `${names}: no VERSION_1`, 'use a driver of virtio 1.0 or later');
}

function checkCounters(name: string, { port }: SeenPort, before: SeenPort | undefined): Finding {
  const what = `${name}: counters`;
  const moved = (key: string): number =>
    Number(port.counters[key] ?? 0) - Number(before?.port.counters[key] ?? 0);
  const rising = Object.keys(dropsOf(port.counters)).filter((key) => moved(key) > 0);
  if (rising.length > 0)
    return note(what, `frames are lost: ${rising.join(', ')}`, 'docs/ports.md says what each counter means');
  const [tx, rx] = [moved('tx_packets'), moved('rx_packets')];
  if (tx > 0 || rx > 0) return ok(what, `${tx} frames from the pod and ${rx} to it between two looks`);
  const total = `${port.counters['tx_packets'] ?? 0} from the pod, ${port.counters['rx_packets'] ?? 0} to it so far`;
  return note(
    what,
    `nothing moved between two looks; ${total}`,
    'send something, such as a ping from the pod',
  );
}

/** The links of the port `name`, to the first that is broken. */
export function portLinks(name: string, { paths, now, before, mounts }: PortState): Finding[] {
  const seen = now.ports.get(name);
  if (seen === undefined) {
    const todo = 'usvhost ports lists what there is; the agent adds the port of each pod it has a record of';
    return [wrong(`${name}: port`, 'the switch has no such port', todo)];
  }
  const links: readonly (() => Finding)[] = [
    () => checkDirectory(paths, name),
    () => checkMount(name, seen, mounts),
    () => checkPeer(name, seen),
    () => checkFeatures(name, seen),
    () => checkCounters(name, seen, before.ports.get(name)),
  ];
  const findings = [
    ok(
      `${name}: port`,
      `${seen.port.state}, network ${seen.port.spec?.network || 'default'}, MAC ${seen.port.spec?.mac || 'any'}`,
    ),
  ];
  for (const link of links) {
    const finding = link();
    findings.push(finding);
    if (finding.state === 'wrong') break;
  }
  return findings;
}
