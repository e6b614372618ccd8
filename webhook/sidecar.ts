// SPDX-License-Identifier: Apache-2.0
//
// The sidecar of one port: a native one (an init container that goes on), which feeds the pod's tap and has no privilege at
// all, as Pod Security's level `restricted` asks for. A container has one directory for its ports, and a tap engine one
// port, so each port has a sidecar, which finds its port as the only one below the mount point.

import type { WebhookConfig } from '../lib/config/webhook.ts';
import { podMountPath } from '../lib/names.ts';

/** Of the `index`-th sidecar, counted from 0. */
export function sidecarName(index: number): string {
  return `usvhost-${index + 1}`;
}

/** Of the static program in our image: Node would take longer to start than what is waited for. */
const program = '/usvhost/build/native/usvhost';

export interface Sidecar {
  readonly name: string;
  /** What else a container has. */
  readonly [field: string]: unknown;
}

export function sidecar(name: string, config: WebhookConfig): Sidecar {
  // Abstract, for its root is read-only; of the pod's network namespace, and so are the sidecars' names.
  const ready = `@${name}`;
  return {
    name,
    image: config.image,
    imagePullPolicy: config.imagePullPolicy,
    restartPolicy: 'Always',
    command: [
      'usvhost',
      'dataplane',
      '--port',
      `net_virtio_user0,path=${podMountPath}`,
      '--ready-socket',
      ready,
    ],
    securityContext: {
      runAsNonRoot: true,
      runAsUser: config.uid,
      runAsGroup: config.uid,
      allowPrivilegeEscalation: false,
      privileged: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
    // No startup probe: the kubelet begins with one a second after the sandbox, whatever is up by then.
    lifecycle: {
      postStart: { exec: { command: [program, 'ready', ready, String(config.startupSeconds * 1000)] } },
    },
    resources: {
      requests: {
        cpu: config.cpuRequest,
        memory: config.memoryRequest,
        [config.resourceName]: '1',
      },
      limits: {
        ...(config.cpuLimit === null ? {} : { cpu: config.cpuLimit }),
        memory: config.memoryLimit,
        [config.resourceName]: '1',
      },
    },
  };
}
