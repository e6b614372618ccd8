// SPDX-License-Identifier: Apache-2.0
//
// What tests of the webhook share: its configuration, pods, and a second implementation of JSON Patch's `add`, which
// shares nothing with the one that writes patches.

import { webhookConfigSchema } from '../../../lib/config/webhook.ts';
import { mutate } from '../../../webhook/mutation.ts';
import type { Operation } from '../../../webhook/patch.ts';
import { podSchema } from '../../../webhook/pod.ts';

export const config = webhookConfigSchema.parse({ image: 'registry.example/usvhost:1', maxPorts: 8 });

export const multus = 'k8s.v1.cni.cncf.io/networks';

export interface How {
  readonly forced?: boolean;
  readonly config?: Partial<typeof config>;
}

/** The patch of a pod in the namespace `shop`. @throws UsvhostError USV_ANNOTATION */
export function patchOf(pod: unknown, { forced = false, config: more = {} }: How = {}): Operation[] {
  return mutate(podSchema.parse(pod), { namespace: 'shop', forced }, { ...config, ...more });
}

/** A copy of `document` with the operations done, as RFC 6902 says. @throws Error for a place that is not there */
export function applied(document: unknown, operations: readonly Operation[]): any {
  // Not structuredClone(), which keeps together what a generator uses twice.
  const copy = JSON.parse(JSON.stringify(document));
  for (const { op, path, value } of operations) {
    if (op !== 'add' || !path.startsWith('/')) throw new Error(`no such operation: ${op} ${path}`);
    const parts = path
      .slice(1)
      .split('/')
      .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
    const last = parts.pop() ?? '';
    const parent = parts.reduce((place, part) => {
      if (!Object.hasOwn(place, part)) throw new Error(`nothing at ${part} of ${path}`);
      return place[part];
    }, copy);
    if (parent === null || typeof parent !== 'object') throw new Error(`no object at ${path}`);
    if (!Array.isArray(parent)) parent[last] = structuredClone(value);
    else if (Number(last) <= parent.length) parent.splice(Number(last), 0, structuredClone(value));
    else throw new Error(`beyond the list: ${path}`);
  }
  return copy;
}

export function podWith(annotations: Readonly<Record<string, string>>, spec: object = {}): any {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', annotations },
    spec: { containers: [{ name: 'app', image: 'app', resources: {} }], ...spec },
  };
}

export function reviewOf(object: unknown, more: object = {}): object {
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: '705ab4f5-6393-11e8-b7cc-42010a800002',
      kind: { group: '', version: 'v1', kind: 'Pod' },
      resource: { group: '', version: 'v1', resource: 'pods' },
      operation: 'CREATE',
      namespace: 'shop',
      object,
      ...more,
    },
  };
}
