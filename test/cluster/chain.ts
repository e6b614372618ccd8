// SPDX-License-Identifier: Apache-2.0
//
// Our plugin behind the default network, as an administrator without Multus puts it there: every pod that holds a port has it as
// net1. What a story needs that is not about networks.

import { portCount } from './names.ts';
import { importOurImage } from './our-image.ts';
import { Stage, type StageOptions } from './stage.ts';
import type { OnUndo } from './undo.ts';

const options = { ifName: 'net1', ipam: { type: 'host-local', ranges: [[{ subnet: '10.8.0.0/24' }]] } };

/** `more`: further options of the plugin. */
export async function chainOurs(stage: Stage, onUndo: OnUndo, more: object = {}): Promise<void> {
  const config = JSON.stringify({ ...options, ...more });
  await stage.usvhost('install', '--chain', 'auto', '--chain-config', config);
  onUndo(async () => stage.usvhost('install', '--uninstall', '--chain', 'auto'));
  onUndo(async () => stage.clear());
}

/** The stage of most stories: our plugin behind the default network, the image for pods, and ports that the kubelet offers. */
export async function chainedStage(onUndo: OnUndo, options: StageOptions = {}): Promise<Stage> {
  const stage = await Stage.set(onUndo, options);
  await importOurImage();
  await chainOurs(stage, onUndo);
  await stage.offers(portCount);
  return stage;
}
