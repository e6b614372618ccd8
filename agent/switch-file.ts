// SPDX-License-Identifier: Apache-2.0
//
// <root>/run/usvhost/node-switch.json: which switch the node has, written by the agent for those who look at the node
// (usvhost ports, usvhost doctor). Without the file it is our own.

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import * as z from 'zod/mini';
import { type AgentConfig, agentConfigSchema } from '../lib/config/agent.ts';
import { errnoOf } from '../lib/errno.ts';
import { usvFailure } from '../lib/errors.ts';
import type { HostPaths } from '../lib/names.ts';

export type SwitchChoice = Pick<AgentConfig, 'switch' | 'ovs'>;

const { switch: kind, ovs } = agentConfigSchema.shape;
const choiceSchema = z.object({ switch: kind, ovs });

/** Throws the system's error. */
export function writeSwitchChoice(
  { switchChoice }: HostPaths,
  { switch: name, ovs: where }: SwitchChoice,
): void {
  const temporary = `${switchChoice}.new`;
  writeFileSync(temporary, `${JSON.stringify({ switch: name, ovs: where })}\n`, { mode: 0o600 });
  renameSync(temporary, switchChoice);
}

/** Throws USV_IO when the file cannot be read or is not one of ours. */
export function readSwitchChoice({ switchChoice }: HostPaths): SwitchChoice {
  try {
    return choiceSchema.parse(JSON.parse(readFileSync(switchChoice, 'utf8')));
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') return choiceSchema.parse({});
    throw usvFailure('USV_IO', `cannot read ${switchChoice}: ${errnoOf(cause) || String(cause)}`, { cause });
  }
}
