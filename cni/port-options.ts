// SPDX-License-Identifier: Apache-2.0
//
// What a network may ask of the switch beyond a port, and which switch can do it. What a switch cannot do is refused with
// its name, never ignored.

import * as z from 'zod';
import { usvError } from '../lib/errors.ts';
import type { PodRole } from './attachment.ts';

/** Of a port; absent: none of it. */
export interface PortOptions {
  /** The pod's frames are untagged and belong to this VLAN. */
  readonly vlan?: number | undefined;
  /** VLANs that the pod may use with tags, ascending. */
  readonly trunk?: readonly number[] | undefined;
  readonly bandwidth?: Bandwidth | undefined;
}

/** Bits a second and bits, as the CNI convention has them: ingress is towards the pod. 0 or absent: no limit. */
export interface Bandwidth {
  readonly ingressRate?: number | undefined;
  readonly ingressBurst?: number | undefined;
  readonly egressRate?: number | undefined;
  readonly egressBurst?: number | undefined;
}

/** What a kind of switch can do. */
export interface PortAbilities {
  /** As the agent's configuration names it. */
  readonly name: 'usvhost' | 'ovs';
  /** The first is what a network gets that asks for none. */
  readonly podRoles: readonly [PodRole, ...PodRole[]];
  readonly options: ReadonlySet<keyof PortOptions>;
  /** Who makes the directory of a port: the switch, or the agent by the hands of a shim, as a file system of its own. */
  readonly portDirectory: 'switch' | 'shim';
}

export const usvhostAbilities: PortAbilities = {
  name: 'usvhost',
  podRoles: ['client', 'server'],
  options: new Set(),
  portDirectory: 'switch',
};

export const ovsAbilities: PortAbilities = {
  name: 'ovs',
  podRoles: ['server'],
  options: new Set(['vlan', 'trunk', 'bandwidth']),
  portDirectory: 'shim',
};

const vlanId = z.int().min(1).max(4094);

/** As ovs-cni writes it: `[{"id": 5}, {"minID": 10, "maxID": 12}]`. */
export const trunkSchema = z
  .array(
    z.union([
      z.strictObject({ id: vlanId }),
      z
        .strictObject({ minID: vlanId, maxID: vlanId })
        .refine(({ minID, maxID }) => minID <= maxID, 'expected minID up to maxID'),
    ]),
  )
  .min(1)
  .max(128)
  .transform((parts) => {
    const ids = parts.flatMap((part) =>
      'id' in part
        ? [part.id]
        : Array.from({ length: part.maxID - part.minID + 1 }, (_, index) => part.minID + index),
    );
    return [...new Set(ids)].toSorted((a, b) => a - b);
  });

export const vlanSchema = vlanId;

const rate = z.int().min(0).max(Number.MAX_SAFE_INTEGER).optional();

/** The capability `bandwidth`. */
export const bandwidthSchema = z.strictObject({
  ingressRate: rate,
  ingressBurst: rate,
  egressRate: rate,
  egressBurst: rate,
});

interface Asked {
  readonly podRole?: PodRole | undefined;
  readonly vlan?: number | undefined;
  readonly trunk?: readonly number[] | undefined;
  readonly runtimeConfig?: { readonly bandwidth?: Bandwidth | undefined } | undefined;
}

/** The role that a network asks for, or the switch's own. Throws USV_CNI_FIELD for one that the switch cannot have. */
export function podRoleOf({ podRole }: Asked, { name, podRoles }: PortAbilities): PodRole {
  if (podRole === undefined) return podRoles[0];
  if (podRoles.includes(podRole)) return podRole;
  const what = `podRole with the switch ${name}`;
  throw usvError('USV_CNI_FIELD', { what, expected: podRoles.join(' or '), got: podRole });
}

/**
 * What a network asks of its port; undefined for nothing. Throws USV_CNI_FIELD for what the switch does not have, USV_CONFIG
 * for what does not go together.
 */
export function portOptionsOf(asked: Asked, { name, options }: PortAbilities): PortOptions | undefined {
  const { vlan, trunk } = asked;
  const bandwidth = asked.runtimeConfig?.bandwidth;
  const wanted: PortOptions = {
    ...(vlan === undefined ? {} : { vlan }),
    ...(trunk === undefined ? {} : { trunk }),
    ...(bandwidth === undefined ? {} : { bandwidth }),
  };
  for (const [key, value] of Object.entries(wanted)) {
    if (options.has(key as keyof PortOptions)) continue;
    const what = `${key === 'bandwidth' ? 'runtimeConfig.bandwidth' : key} with the switch ${name}`;
    throw usvError('USV_CNI_FIELD', {
      what,
      expected: 'no such key (the switch ovs has it)',
      got: JSON.stringify(value),
    });
  }
  if (vlan !== undefined && trunk !== undefined)
    throw together('vlan beside trunk', 'no such key', String(vlan));
  if (bandwidth !== undefined) checkBandwidth(bandwidth);
  return Object.keys(wanted).length === 0 ? undefined : wanted;
}

// As the plugin `bandwidth` of the CNI project: a limit of 0 is none, and a rate without a burst lets nothing pass.
function checkBandwidth(bandwidth: Bandwidth): void {
  const { ingressRate = 0, ingressBurst = 0, egressRate = 0, egressBurst = 0 } = bandwidth;
  if (ingressRate > 0 === ingressBurst > 0 && egressRate > 0 === egressBurst > 0) return;
  const expected = 'a burst for each rate and a rate for each burst';
  throw together('runtimeConfig.bandwidth', expected, JSON.stringify(bandwidth));
}

function together(what: string, expected: string, got: string): Error {
  return usvError('USV_CONFIG', { what, expected, got, cni: 7 });
}
