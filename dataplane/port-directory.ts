// SPDX-License-Identifier: Apache-2.0
//
// From the path of a device argument to a socket and the contract beside it. A directory means `vhost.sock` in it; the
// mount point of a pod with one port means that port, which is what the RFC's `path=/var/run/usvhost` wants to say.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoOf } from '../lib/errno.ts';
import { UsvhostError, usvError, usvFailure } from '../lib/errors.ts';
import { checkSocketPath } from '../lib/names.ts';
import { type PortContract, portContractSchema } from '../lib/port-contract.ts';

const socketName = 'vhost.sock';

export interface PortPlace {
  readonly socketPath: string;
  /** What the node says of the port; undefined where there is no port.json (any vhost-user back-end). */
  readonly contract: PortContract | undefined;
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Directories of ports below a pod's mount point. */
function portsBelow(directory: string): string[] {
  return readdirSync(directory)
    .sort()
    .map((name) => join(directory, name))
    .filter(
      (path) => isDirectory(path) && statSync(join(path, 'port.json'), { throwIfNoEntry: false })?.isFile(),
    );
}

function socketBelow(directory: string): string {
  const own = join(directory, socketName);
  if (statSync(own, { throwIfNoEntry: false }) !== undefined) return own;
  const ports = portsBelow(directory);
  if (ports.length > 1) {
    throw usvError('USV_DEVARG', {
      what: 'path=',
      expected: `a directory of one port, or one of ${ports.join(', ')}`,
      got: directory,
    });
  }
  return ports[0] === undefined ? own : join(ports[0], socketName);
}

function readContract(file: string): PortContract | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') return undefined;
    throw usvFailure('USV_IO', `${file} cannot be read: ${String(cause)}`, { cause });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw usvError('USV_CONFIG', { what: file, expected: 'JSON', got: String(cause), cause });
  }
  const parsed = portContractSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw usvError('USV_CONFIG', {
    what: `${issue?.path.join('.') ?? ''} of ${file}`,
    expected: 'version 1 of the port contract',
    got: issue?.message ?? 'something else',
  });
}

/**
 * Finds the socket that `path` names and reads the port.json beside it. The socket need not exist yet.
 * @throws UsvhostError USV_SOCKET_PATH, USV_DEVARG (several ports below a directory), USV_CONFIG (a contract that is not one), USV_IO
 */
export function findPort(path: string): PortPlace {
  // Before anything is looked at: the kernel has a limit for names of files too, with another error.
  checkSocketPath(path);
  const socketPath = checkSocketPath(socketOf(path));
  return { socketPath, contract: readContract(join(dirname(socketPath), 'port.json')) };
}

function socketOf(path: string): string {
  try {
    return isDirectory(path) ? socketBelow(path) : path;
  } catch (cause) {
    if (errnoOf(cause) === '' || cause instanceof UsvhostError) throw cause;
    throw usvFailure('USV_IO', `${path} cannot be looked at: ${errnoOf(cause)}`, { cause });
  }
}
