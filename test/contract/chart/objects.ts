// SPDX-License-Identifier: Apache-2.0
//
// What the chart's manifests say, as objects.

import { parseAllDocuments } from 'yaml';
import { render } from '../../../scripts/helm.ts';

export interface Container {
  readonly name: string;
  readonly args?: readonly string[];
  readonly command?: readonly string[];
  readonly resources: { readonly limits: Readonly<Record<string, string>> };
  readonly securityContext: object;
  readonly env?: readonly object[];
  readonly volumeMounts?: readonly { readonly mountPath: string; readonly mountPropagation?: string }[];
}

export interface PodSpec {
  readonly hostNetwork?: boolean;
  readonly automountServiceAccountToken?: boolean;
  readonly securityContext: object;
  readonly initContainers?: readonly Container[];
  readonly containers: readonly Container[];
}

/** As much of a Kubernetes object as the tests read. */
export interface KubernetesObject {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec: any;
  readonly data: Readonly<Record<string, string>>;
  readonly rules: readonly object[];
  readonly webhooks: readonly any[];
}

/** Everything that `helm template` with `args` makes. @throws when it is not YAML, a key that stands twice included */
export async function objectsOf(...args: readonly string[]): Promise<KubernetesObject[]> {
  return parseAllDocuments(await render(...args))
    .map((document) => {
      for (const error of document.errors) throw error;
      return document.toJS() as KubernetesObject | null;
    })
    .filter((object) => object !== null);
}

/** The pod template of a workload; undefined for what has none. */
export function podOf({ kind, spec }: KubernetesObject): PodSpec | undefined {
  return ['DaemonSet', 'Deployment', 'Job'].includes(kind) ? spec.template.spec : undefined;
}

/** @throws when there is none */
export function find(objects: readonly KubernetesObject[], kind: string, name: string): KubernetesObject {
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
  if (found === undefined) throw new Error(`no ${kind} ${name}`);
  return found;
}

export function containersOf(pod: PodSpec): Container[] {
  return [...(pod.initContainers ?? []), ...pod.containers];
}
