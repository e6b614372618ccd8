// SPDX-License-Identifier: Apache-2.0
//
// What the agent keeps of a pod that the API server shows: names, and three answers. The rest, such as its environment, is dropped
// at once.

import type { KubernetesObject } from '@kubernetes/client-node/dist/types.js';
import * as z from 'zod/mini';

export interface PodSummary extends KubernetesObject {
  readonly metadata: {
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
    readonly resourceVersion: string;
  };
  /** Deleted but not gone yet, or its containers have ended for good. */
  readonly ending: boolean;
  /** Some container requests ports. */
  readonly hasPorts: boolean;
  /** Its annotations ask for ports. */
  readonly wantsPorts: boolean;
}

/** Go leaves out what is empty, or writes null. */
function maybe<Schema extends z.core.$ZodType>(schema: Schema) {
  return z.optional(z.nullable(schema));
}

const containers = maybe(
  z.array(
    z.looseObject({
      resources: maybe(
        z.looseObject({ limits: maybe(z.record(z.string(), z.union([z.string(), z.number()]))) }),
      ),
    }),
  ),
);

const podSchema = z.looseObject({
  metadata: z.looseObject({
    namespace: z.string(),
    name: z.string(),
    uid: z.string(),
    resourceVersion: z.string(),
    deletionTimestamp: maybe(z.string()),
    annotations: maybe(z.record(z.string(), z.string())),
  }),
  spec: z.looseObject({ containers, initContainers: containers }),
  status: maybe(z.looseObject({ phase: maybe(z.string()) })),
});

/** Undefined for what is no pod. `resourceName`: usvhost.io/port, or as it is configured. */
export function summarize(value: unknown, resourceName: string): PodSummary | undefined {
  const parsed = podSchema.safeParse(value);
  if (!parsed.success) return undefined;
  const { metadata, spec, status } = parsed.data;
  const { namespace, name, uid, resourceVersion, deletionTimestamp } = metadata;
  const annotations = metadata.annotations ?? {};
  const inject = annotations['usvhost.io/inject'];
  const asks = inject === 'true' || annotations['usvhost.io/networks'] !== undefined;
  return {
    metadata: { namespace, name, uid, resourceVersion },
    ending: typeof deletionTimestamp === 'string' || ['Succeeded', 'Failed'].includes(status?.phase ?? ''),
    hasPorts: [...(spec.containers ?? []), ...(spec.initContainers ?? [])].some(
      ({ resources }) => resources?.limits?.[resourceName] !== undefined,
    ),
    wantsPorts: asks && inject !== 'false',
  };
}
