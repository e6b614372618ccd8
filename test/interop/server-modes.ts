// SPDX-License-Identifier: Apache-2.0
//
// The modes in which a pod listens: those of virtio-user.test.ts and vhost.test.ts that differ in what a new connection finds.

import { vhostModes } from './vhost-modes.ts';
import { virtioUserModes } from './virtio-user-modes.ts';

function chosen<Mode extends { readonly name: string }>(
  modes: readonly Mode[],
  names: readonly string[],
): Mode[] {
  return names.map((name) => {
    const found = modes.find((mode) => mode.name === name);
    if (found === undefined) throw new Error(`no mode ${name}`);
    return found;
  });
}

export const serverModes = {
  virtioUser: chosen(virtioUserModes, [
    'split, in-order, mergeable',
    'split',
    'packed, in-order, mergeable',
    'packed',
  ]),
  vhost: chosen(vhostModes, [
    'split, 256 entries',
    'split, in-order, mergeable, 256 entries',
    'packed, 256 entries',
    'packed, in-order, mergeable, 256 entries',
  ]),
} as const;
