// SPDX-License-Identifier: Apache-2.0
//
// What the agent can say of network namespaces by their paths. Runtimes keep them as files of one directory, or name them by
// a process, /proc/N/ns/net. In a container the agent may see neither, and then everything looks gone.

import { readlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf } from '../lib/errno.ts';
import { exists } from './release.ts';

const ofProcess = /^\/proc\/\d+\/(?:task\/\d+\/)?ns\/net$/;

/**
 * Whether a namespace is certainly gone: it is not where it was, in a directory in which `living`, a namespace that is
 * there, can be seen. An empty path is that of an earlier boot. What cannot be proved is false.
 */
export function isNamespaceGone(path: string, living: string): boolean {
  if (path === '') return true;
  if (exists(path) || !exists(living)) return false;
  if (ofProcess.test(path) && ofProcess.test(living)) return isForeign(living);
  return dirname(path) === dirname(living);
}

// In a /proc of its own the agent may find a neighbour in the container under the number of a pod's process.
function isForeign(path: string): boolean {
  try {
    return readlinkSync(path) !== readlinkSync('/proc/self/ns/net');
  } catch (error) {
    if (errnoOf(error) === '') throw error;
    return false;
  }
}
