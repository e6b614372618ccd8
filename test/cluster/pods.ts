// SPDX-License-Identifier: Apache-2.0
//
// Pods as the stories need them: one container, which ends at once when told to.

import { busyboxImage } from './images.ts';

export interface PodOptions {
  /** Default: busybox. */
  readonly image?: string;
  /** Default: waits. */
  readonly command?: readonly string[];
  /** How many of usvhost.io/port. Default 0. */
  readonly ports?: number;
  /** What else it requests. */
  readonly limits?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Of the container. */
  readonly securityContext?: object;
  /** Seconds between the signal to end and the end by force. Default 0. */
  readonly grace?: number;
}

/** What Pod Security's `restricted` demands of a container. */
export const restricted = {
  runAsUser: 1000,
  runAsNonRoot: true,
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
};

export function pod(name: string, options: PodOptions = {}): object {
  const { image = busyboxImage, command = ['sleep', '86400'], ports = 0, annotations = {} } = options;
  const limits = { ...options.limits, ...(ports > 0 ? { 'usvhost.io/port': String(ports) } : {}) };
  const { securityContext = {} } = options;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, annotations },
    spec: {
      terminationGracePeriodSeconds: options.grace ?? 0,
      containers: [{ name: 'c', image, command, resources: { limits }, securityContext }],
    },
  };
}
