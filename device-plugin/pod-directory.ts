// SPDX-License-Identifier: Apache-2.0
//
// The directory a pod gets at /var/run/usvhost: <run>/pods/<lead device>/, and the names of the other devices of the
// same container, which are symbolic links to the lead. A container runtime would make a missing directory by itself,
// as root and without a word, so it must exist with owner and mode before Allocate answers. The pod gets it read-only, so
// the places where its memory slices are mounted exist beforehand too. Whatever is mounted below belongs to a pod and is
// never touched; the rest was left by a pod that is gone, which may have written anything (an older release let it).

import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../lib/errno.ts';
import { UsvhostError, usvError, usvFailure } from '../lib/errors.ts';
import { type HostPaths, memPlace } from '../lib/names.ts';
import { mountPointsBelow } from './mount-points.ts';

/** Owner and permission bits of a pod directory. */
export interface PodDirectoryOwner {
  /** Undefined: the agent's own. */
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  readonly mode: number;
}

type PodPaths = Pick<HostPaths, 'podsDir' | 'podDir'>;

type Kind = 'absent' | 'directory' | 'link' | 'other';

function kindOf(path: string): Kind {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return 'absent';
  if (stat.isDirectory()) return 'directory';
  return stat.isSymbolicLink() ? 'link' : 'other';
}

/** Whether nothing of a former use keeps the device from being handed out at once. Throws USV_IO. */
export function isVacant(paths: PodPaths, device: string): boolean {
  const directory = paths.podDir(device);
  return kindOf(directory) !== 'directory' || mountPointsBelow(directory).length === 0;
}

/** Throws USV_PORT_OCCUPIED naming the mount point when a pod's port is still bound below the device's directory. */
function checkVacant(directory: string, device: string): void {
  const [point] = mountPointsBelow(directory);
  if (point === undefined) return;
  throw usvError('USV_PORT_OCCUPIED', {
    what: `the directory of device ${device}`,
    expected: 'nothing mounted below it',
    got: `a mount on ${point}`,
  });
}

/** Empties a directory of a pod that is gone. Symbolic links are removed, not followed. */
function empty(directory: string): void {
  for (const name of readdirSync(directory)) rmSync(join(directory, name), { recursive: true });
}

function own(directory: string, { uid = -1, gid = -1 }: PodDirectoryOwner): void {
  try {
    chownSync(directory, uid, gid);
  } catch (error) {
    if (errnoOf(error) !== 'EPERM') throw error;
    throw usvError('USV_CONFIG', {
      what: 'podDirUid and podDirGid of an agent without CAP_CHOWN',
      expected: 'its own',
      got: `${uid} and ${gid}`,
      cause: error,
    });
  }
}

/** Empty files: a runtime mounts slices on those that the pod has. It cannot make them in a directory that is read-only. */
function makeSlicePlaces(directory: string, slices: readonly string[]): void {
  if (slices.length === 0) return;
  const places = join(directory, memPlace);
  mkdirSync(places, { mode: 0o755 });
  for (const slice of slices) writeFileSync(join(places, slice), '', { flag: 'wx', mode: 0o444 });
}

/**
 * Makes the lead device's directory with owner and mode, empty but for places for `slices`. Returns what undoes it.
 * Throws USV_PORT_OCCUPIED (a port of another pod is bound in it), USV_CONFIG (an owner that it may not give), USV_IO.
 */
export function makePodDirectory(
  paths: PodPaths,
  device: string,
  owner: PodDirectoryOwner,
  slices: readonly string[] = [],
): () => void {
  const directory = paths.podDir(device);
  return io(directory, () => {
    mkdirSync(paths.podsDir, { recursive: true, mode: 0o755 });
    const kind = kindOf(directory);
    if (kind === 'directory') {
      checkVacant(directory, device);
      empty(directory);
    } else if (kind !== 'absent') unlinkSync(directory);
    if (kind !== 'directory') mkdirSync(directory, { mode: 0o700 });
    makeSlicePlaces(directory, slices);
    own(directory, owner);
    chmodSync(directory, owner.mode);
    return () => io(directory, () => rmSync(directory, { recursive: true }));
  });
}

/** Makes `device` a name of the lead's directory. Returns what undoes it. Throws USV_PORT_OCCUPIED, USV_IO. */
export function linkPodDirectory(paths: PodPaths, device: string, lead: string): () => void {
  const path = paths.podDir(device);
  return io(path, () => {
    const kind = kindOf(path);
    if (kind === 'directory') {
      checkVacant(path, device);
      empty(path);
      rmdirSync(path);
    } else if (kind !== 'absent') unlinkSync(path);
    // Relative, so that it holds wherever the run directory is mounted.
    symlinkSync(lead, path);
    return () => io(path, () => unlinkSync(path));
  });
}

/**
 * The device whose directory the container of `device` has at /var/run/usvhost: itself or its lead; undefined when the
 * device was never allocated. Throws USV_NAME, USV_IO.
 */
export function leadDevice(paths: PodPaths, device: string): string | undefined {
  const path = paths.podDir(device);
  return io(path, () => {
    const kind = kindOf(path);
    if (kind === 'directory') return device;
    return kind === 'link' ? readlinkSync(path) : undefined;
  });
}

function io<Result>(path: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    if (error instanceof UsvhostError || errnoOf(error) === '') throw error;
    throw usvFailure('USV_IO', `cannot prepare the pod directory ${path}: ${errnoOf(error)}`, {
      cause: error,
    });
  }
}
