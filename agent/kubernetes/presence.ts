// SPDX-License-Identifier: Apache-2.0
//
// Whether the agent has an API server, and what the rest of it knows of that side. Only where there is one, the side itself is loaded:
// its part of Node and of the library take memory.

import { existsSync } from 'node:fs';
import type { Attachment } from '../../cni/attachment.ts';
import type { ShimRequest } from '../../cni/shim-protocol.ts';
import type { AgentConfig } from '../../lib/config/agent.ts';
import { type UsvhostError, usvError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { Clock } from './clock.ts';
import type { EventResult } from './event-recorder.ts';
import type { PortStory } from './port-story.ts';

export interface KubernetesObserver {
  event(result: EventResult): void;
  informerRestarted(): void;
  /** Something has come from the watch of pods. */
  contact(): void;
}

export interface KubernetesDeps {
  readonly log: Logger;
  readonly attachmentOf: (port: string) => Attachment | undefined;
  /** A pod with ports has gone: something may be left of it. */
  readonly onPodGone: () => void;
  readonly observer: KubernetesObserver;
  /** Default: the machine's. */
  readonly clock?: Clock;
}

export interface KubernetesSide {
  readonly ports: Pick<PortStory, 'replace' | 'change'>;
  /** The switch of the node answers, or does not any more. */
  switchReachable(reachable: boolean): void;
  /** A CNI call has failed. */
  callFailed(request: ShimRequest, error: UsvhostError): void;
  close(): Promise<void>;
}

const tokenFile = '/var/run/secrets/kubernetes.io/serviceaccount/token';

/** Undefined where there is no API server for this agent. `env`: of the process. */
export async function kubernetesSide(
  config: Pick<AgentConfig, 'kubernetes' | 'kubeconfig' | 'nodeName' | 'nodeCondition' | 'resourceName'>,
  env: Readonly<Record<string, string | undefined>>,
  deps: KubernetesDeps,
): Promise<KubernetesSide | undefined> {
  const { kubeconfig, nodeName } = config;
  if (config.kubernetes === 'off') return undefined;
  const inCluster = (env['KUBERNETES_SERVICE_HOST'] ?? '') !== '' && existsSync(tokenFile);
  if (kubeconfig === undefined && !inCluster) return undefined;
  if (nodeName === undefined) {
    // No reason to serve no pod.
    const expected = 'the name of the node, since there is an API server,';
    const error = usvError('USV_CONFIG', { what: 'nodeName', expected, got: 'nothing' });
    deps.log.error({ code: error.code }, `${error.details}: no events, no condition of the node`);
    return undefined;
  }
  const { Side } = await import('./side.ts');
  return new Side({ ...config, nodeName }, deps);
}
