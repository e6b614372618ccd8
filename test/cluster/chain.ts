// SPDX-License-Identifier: Apache-2.0
//
// Our plugin behind the default network, as an administrator without Multus puts it there: every pod that holds a port has it as
// net1. What a story needs that is not about networks.

import { cniDirectory, defaultNetwork } from './names.ts';
import { readNodeFile, removeNodeFile, writeNodeFile } from './node-file.ts';
import type { OnUndo, Stage } from './stage.ts';

/** By its name it comes before the default network's file. */
export const chainedList = `${cniDirectory}/10-default.conflist`;

const options = { ifName: 'net1', ipam: { type: 'host-local', ranges: [[{ subnet: '10.8.0.0/24' }]] } };

/** `more`: further options of the plugin. */
export async function chainOurs(stage: Stage, onUndo: OnUndo, more: object = {}): Promise<void> {
  const { cniVersion, name, ...plugin } = JSON.parse(await readNodeFile(defaultNetwork));
  await writeNodeFile(chainedList, JSON.stringify({ cniVersion, name, plugins: [plugin] }));
  onUndo(async () => removeNodeFile(chainedList));
  await stage.usvhost(
    'install',
    '--chain',
    'auto',
    '--chain-config',
    JSON.stringify({ ...options, ...more }),
  );
  onUndo(async () => stage.usvhost('install', '--uninstall', '--chain', 'auto'));
  onUndo(async () => stage.clear());
}
