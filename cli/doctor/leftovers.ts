// SPDX-License-Identifier: Apache-2.0
//
// What a pod or a daemon that is gone has left on a node: ports that no pod has, mounts and directories of no port, sockets
// that nobody listens on. It lists and removes nothing.

import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { HostPaths } from '../../lib/names.ts';
import { probeSocket } from '../../proto/socket-file.ts';
import { type Finding, ok, wrong } from '../check/finding.ts';
import type { Look } from '../ports/look.ts';
import type { PortMount } from './mounts.ts';
import { quoted } from './node-links.ts';

const what = 'leftover';

/** Ports that CNI ADD makes (lib/names.ts, portName); others belong to whoever asked for them. */
const attachmentName = /^p[0-9a-f]{14}$/;
/** Sockets before they get their name (proto/unix.ts, cni/server.ts). */
const temporarySocket = /^\.[0-9a-f]{6}~?$/;

function entries(directory: string): string[] {
  return readdirSync(directory).sort();
}

function leftPorts(now: Look, mounts: readonly PortMount[]): Finding[] {
  const bound = new Set(mounts.map(({ port }) => port));
  return [...now.ports.keys()]
    .filter((name) => attachmentName.test(name) && !bound.has(name))
    .map((name) => {
      const todo = 'CNI DEL of its container removes it; the agent does where it has no record of it';
      return wrong(what, `the port ${name} of the switch is bound into no pod`, todo);
    });
}

function leftMounts(now: Look, mounts: readonly PortMount[]): Finding[] {
  return mounts
    .filter(({ port, orphaned }) => orphaned || !now.ports.has(port))
    .map(({ point, port }) =>
      wrong(
        what,
        `the mount ${point} is of ${port}, which the switch does not have`,
        `umount ${quoted(point)}`,
      ),
    );
}

function leftDirectories(paths: HostPaths, now: Look, mounts: readonly PortMount[]): Finding[] {
  const bound = new Set(mounts.map(({ port }) => port));
  return entries(paths.portsDir)
    .filter((name) => !now.ports.has(name) && !bound.has(name))
    .map((name) => {
      const path = join(paths.portsDir, name);
      const mounted = lstatSync(path).dev !== lstatSync(paths.portsDir).dev;
      const todo = mounted ? `umount ${quoted(path)} && rmdir ${quoted(path)}` : `rm -r ${quoted(path)}`;
      return wrong(what, `the directory ${path} is of no port`, todo);
    });
}

function isSocket(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true;
}

async function leftSockets(paths: HostPaths): Promise<Finding[]> {
  const temporary = entries(paths.runDir).filter((name) => temporarySocket.test(name));
  const places = [
    ...temporary.map((name) => join(paths.runDir, name)),
    paths.agentSocket,
    paths.switchSocket,
  ];
  const found: Finding[] = [];
  for (const path of places.filter(isSocket)) {
    if ((await probeSocket(path)) === 'stale')
      found.push(wrong(what, `nobody listens on the socket ${path}`, `rm ${quoted(path)}`));
  }
  return found;
}

/** Everything that is left, or one finding that nothing is. */
export async function leftovers(
  paths: HostPaths,
  now: Look,
  mounts: readonly PortMount[],
): Promise<Finding[]> {
  const found = [
    ...leftPorts(now, mounts),
    ...leftMounts(now, mounts),
    ...leftDirectories(paths, now, mounts),
    ...(await leftSockets(paths)),
  ];
  return found.length > 0 ? found : [ok('leftovers', 'none')];
}
