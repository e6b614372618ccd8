// SPDX-License-Identifier: Apache-2.0
//
// Which pod a CNI call is for, as Kubernetes runtimes say it in CNI_ARGS. Absent outside of Kubernetes; nothing may
// depend on it but the comparison with the kubelet's pods.

import { usvError } from '../lib/errors.ts';

export interface PodIdentity {
  readonly podUid: string | null;
  readonly podNamespace: string | null;
  readonly podName: string | null;
}

/** Longest name of a Kubernetes object (RFC 1123 subdomain). */
const nameLimit = 253;

/** The pod of a call's CNI_ARGS; null for what is not given. Throws USV_CNI_ENV for what cannot be a name. */
export function podOf(args: ReadonlyMap<string, string>): PodIdentity {
  const named = (key: string): string | null => {
    const value = args.get(key);
    if (value === undefined || value === '') return null;
    if (value.length <= nameLimit && /^[A-Za-z0-9][A-Za-z0-9.-]*$/u.test(value)) return value;
    const expected = `a letter or digit, then letters, digits, "." or "-", at most ${nameLimit} in all`;
    throw usvError('USV_CNI_ENV', { what: `${key} in CNI_ARGS`, expected, got: JSON.stringify(value) });
  };
  return {
    podUid: named('K8S_POD_UID'),
    podNamespace: named('K8S_POD_NAMESPACE'),
    podName: named('K8S_POD_NAME'),
  };
}

/** Namespace and name, where both are given. */
export function namedPod({
  podNamespace,
  podName,
}: PodIdentity): { readonly namespace: string; readonly name: string } | undefined {
  return podNamespace === null || podName === null ? undefined : { namespace: podNamespace, name: podName };
}

/** CNI_ARGS of a call for the pod, made again. */
export function argsOf({ podUid, podNamespace, podName }: PodIdentity): string {
  const pairs = { K8S_POD_NAMESPACE: podNamespace, K8S_POD_NAME: podName, K8S_POD_UID: podUid };
  const given = Object.entries(pairs).filter(([, value]) => value !== null);
  return ['IgnoreUnknown=1', ...given.map(([key, value]) => `${key}=${value}`)].join(';');
}
