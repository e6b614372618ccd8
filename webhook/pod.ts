// SPDX-License-Identifier: Apache-2.0
//
// The parts of a pod that the webhook looks at. Everything else passes unseen, so that a newer Kubernetes changes nothing.

import * as z from 'zod/mini';

/** Go leaves out what is empty, or writes null. */
function maybe<Schema extends z.core.$ZodType>(schema: Schema) {
  return z.optional(z.nullable(schema));
}

const amountsSchema = z.record(z.string(), z.union([z.string(), z.number()]));

const containerSchema = z.looseObject({
  name: z.string(),
  restartPolicy: maybe(z.string()),
  resources: maybe(z.looseObject({ limits: maybe(amountsSchema), requests: maybe(amountsSchema) })),
});

export const podSchema = z.looseObject({
  metadata: maybe(z.looseObject({ annotations: maybe(z.record(z.string(), z.string())) })),
  spec: z.looseObject({
    hostNetwork: maybe(z.boolean()),
    initContainers: maybe(z.array(containerSchema)),
    containers: z.array(containerSchema),
  }),
});

export type Container = z.output<typeof containerSchema>;
export type Pod = z.output<typeof podSchema>;

/** Those that run as long as the pod: its containers, and init containers that are sidecars. */
export function lastingContainers({ spec }: Pod): Container[] {
  const sidecars = (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  return [...sidecars, ...spec.containers];
}

/** What a container has as limit of an extended resource; NaN when that is no plain number. */
export function limitOf({ resources }: Container, resource: string): number {
  const amount = String(resources?.limits?.[resource] ?? 0);
  return /^\d{1,9}$/.test(amount) ? Number(amount) : Number.NaN;
}
