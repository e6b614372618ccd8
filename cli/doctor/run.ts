// SPDX-License-Identifier: Apache-2.0
//
// Why is this pod not connected: the links of the node, then those of its ports, and the first broken one by name. With
// `node` also what is left of pods that are gone.

import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { HostPaths } from '../../lib/names.ts';
import { type Finding, skipped, wrong } from '../check/finding.ts';
import { type Look, look } from '../ports/look.ts';
import { leftovers } from './leftovers.ts';
import { type PortMount, portMounts } from './mounts.ts';
import { nodeLinks } from './node-links.ts';
import { portLinks } from './port-links.ts';

/** What to look at besides the links of the node. */
export type Subject =
  | { readonly kind: 'all' }
  | { readonly kind: 'node' }
  | { readonly kind: 'port'; readonly port: string }
  | { readonly kind: 'pod'; readonly namespace: string; readonly name: string };

export interface DoctorOptions {
  readonly paths: HostPaths;
  /** Directory of the CNI plugin, below the root. */
  readonly cniBinDir: string;
  readonly subject: Subject;
  /** Between two looks at the counters. Default: what the switch needs for newer ones. */
  readonly stepMillis?: number;
}

export interface Diagnosis {
  readonly healthy: boolean;
  /** Of what is wrong the first in the order of the chain: mend this one first. */
  readonly firstBroken: Finding | null;
  readonly findings: readonly Finding[];
}

/** @throws UsvhostError USV_SWITCH_UNREACHABLE when the switch goes while it is looked at, USV_IO */
export async function diagnose(options: DoctorOptions): Promise<Diagnosis> {
  const { paths, cniBinDir, subject } = options;
  const { findings: node, seen } = await nodeLinks(paths, join(paths.root, cniBinDir, 'usvhost'));
  const rest =
    seen === undefined ? [skipped('ports', 'only the switch knows them')] : await portsOf(options, seen);
  const findings = [...node, ...rest, ...(subject.kind === 'node' ? await leftOn(paths, seen) : [])];
  const firstBroken = findings.find(({ state }) => state === 'wrong') ?? null;
  return { healthy: firstBroken === null, firstBroken, findings };
}

function mountsOf(paths: HostPaths): PortMount[] {
  // Before the first agent of a node there is none.
  if (!existsSync(paths.podsDir)) return [];
  return portMounts(readFileSync('/proc/self/mountinfo', 'utf8'), realpathSync(paths.podsDir));
}

async function leftOn(paths: HostPaths, seen: Look | undefined): Promise<Finding[]> {
  if (seen === undefined) return [skipped('leftovers', 'only the switch knows which ports there are')];
  return leftovers(paths, seen, mountsOf(paths));
}

async function portsOf({ paths, subject, stepMillis }: DoctorOptions, before: Look): Promise<Finding[]> {
  const names = namesOf(subject, before);
  if (!Array.isArray(names)) return [names];
  if (names.length === 0) return [];
  await wait(stepMillis ?? before.stepMillis);
  const state = { paths, before, now: await look(paths), mounts: mountsOf(paths) };
  return names.flatMap((name) => portLinks(name, state));
}

/** The ports to look at, or that a pod has none. */
function namesOf(subject: Subject, { ports }: Look): string[] | Finding {
  switch (subject.kind) {
    case 'node':
      return [];
    case 'all':
      return [...ports.keys()];
    case 'port':
      return [subject.port];
    case 'pod': {
      const { namespace, name } = subject;
      const own = [...ports]
        .filter(([, { contract }]) => contract?.pod?.namespace === namespace && contract.pod.name === name)
        .map(([port]) => port);
      if (own.length > 0) return own;
      const todo = `kubectl describe pod -n ${namespace} ${name}: it must run here and request usvhost.io/port`;
      return wrong('pod', `${namespace}/${name} has no port on this node`, todo);
    }
  }
}
