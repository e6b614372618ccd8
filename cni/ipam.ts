// SPDX-License-Identifier: Apache-2.0
//
// Delegation to an IPAM plugin (CNI 1.1.0, section 4): the shim runs it from CNI_PATH with our own standard input. It
// never interprets the `ipam` object itself; that belongs to the plugin.

import * as z from 'zod';
import { usvFailure } from '../lib/errors.ts';
import type { AttachmentKey } from './attachment.ts';
import type { CniVersion } from './config.ts';
import { type CniResult, resultSchema } from './result.ts';
import { type ExecResult, errnoOf, type Steps } from './session.ts';

/** What is delegated: the plugin, the whole configuration, its version, and for which of our attachments. */
export interface Delegation {
  readonly plugin: string;
  readonly input: Readonly<Record<string, unknown>>;
  readonly version: CniVersion;
  /** Absent for the commands that are about none. */
  readonly attachment?: AttachmentKey;
  /** CNI_ARGS, where the attachment is not of the call's own container. */
  readonly args?: string | undefined;
}

/** Address plugins may wait for a lease from the network. */
const execMillis = 60_000;

/** Somebody else's call waits meanwhile. */
const behalfMillis = 10_000;

/** CNI 1.1.0, section 2: code 1, incompatible version. */
const incompatibleVersion = 1;

const errorSchema = z.looseObject({
  code: z.number(),
  msg: z.string().default(''),
  details: z.string().default(''),
});
const versionsSchema = z.looseObject({ supportedVersions: z.array(z.string()) });

/** Asks for addresses. Throws USV_IPAM; a code that the plugin gave is passed on. */
export async function ipamAdd(steps: Steps, delegation: Delegation): Promise<CniResult> {
  const stdout = await delegate(steps, 'ADD', delegation);
  const parsed = resultSchema.safeParse(parseJson(stdout));
  if (parsed.success && (parsed.data.ips ?? []).length > 0) return parsed.data;
  const why = parsed.success ? 'a result without ips' : `no result: ${stdout.toString('utf8', 0, 200)}`;
  throw usvFailure('USV_IPAM', `the IPAM plugin ${delegation.plugin} gave ${why}`);
}

/**
 * Gives the addresses back; a repeated call is the plugin's own business and succeeds by the specification. False when the
 * plugin is not on CNI_PATH.
 */
export async function ipamDel(steps: Steps, delegation: Delegation): Promise<boolean> {
  try {
    await delegate(steps, 'DEL', delegation);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

export async function ipamCheck(steps: Steps, delegation: Delegation): Promise<void> {
  await delegate(steps, 'CHECK', delegation);
}

export async function ipamStatus(steps: Steps, delegation: Delegation): Promise<void> {
  await delegateIfKnown(steps, 'STATUS', delegation);
}

export async function ipamGc(steps: Steps, delegation: Delegation): Promise<void> {
  await delegateIfKnown(steps, 'GC', delegation);
}

// Passes a command of 1.1.0 on, unless the plugin is older.
async function delegateIfKnown(steps: Steps, command: string, delegation: Delegation): Promise<void> {
  const versions = versionsSchema.safeParse(parseJson(await delegate(steps, 'VERSION', delegation)));
  if (!versions.success || !versions.data.supportedVersions.includes('1.1.0')) return;
  await delegate(steps, command, delegation);
}

async function delegate(steps: Steps, command: string, delegation: Delegation): Promise<Buffer> {
  const first = await run(steps, command, delegation, delegation.version);
  if (first.exitStatus === 0) return first.stdout;
  // Plugins of a distribution may be older than 1.1.0, whose IPAM results differ from 1.0.0 by optional fields only.
  if (delegation.version === '1.1.0' && failure(first).code === incompatibleVersion) {
    const second = await run(steps, command, delegation, '1.0.0');
    if (second.exitStatus === 0) return second.stdout;
  }
  const { code, text } = failure(first);
  const message = `the IPAM plugin ${delegation.plugin} failed in ${command}: ${text}`;
  throw usvFailure('USV_IPAM', message, code === undefined ? {} : { cni: code });
}

function run(
  steps: Steps,
  command: string,
  { plugin, input, attachment, args }: Delegation,
  version: string,
): Promise<ExecResult> {
  const stdin = Buffer.from(JSON.stringify({ ...input, cniVersion: version }));
  const timeoutMillis = args === undefined ? execMillis : behalfMillis;
  return steps.exec({ plugin, command, attachment, args, timeoutMillis, stdin });
}

function failure({ exitStatus, stdout }: ExecResult): {
  readonly code: number | undefined;
  readonly text: string;
} {
  const parsed = errorSchema.safeParse(parseJson(stdout));
  if (parsed.success) {
    const { code, msg, details } = parsed.data;
    return { code, text: details === '' ? msg : `${msg} (${details})` };
  }
  const ended = exitStatus >= 256 ? `signal ${exitStatus - 256}` : `exit status ${exitStatus}`;
  return {
    code: undefined,
    text: `${ended}, ${stdout.length === 0 ? 'no output' : stdout.toString('utf8', 0, 200)}`,
  };
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
