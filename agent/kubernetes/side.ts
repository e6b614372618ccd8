// SPDX-License-Identifier: Apache-2.0
//
// The side of the agent that faces the API server: events on its pods, a condition of its node, a watch of its pods. The agent
// tells it what happens and never waits for it; with the API server away everything else goes on. Nothing heavy is loaded before
// the first request.

import { existsSync } from 'node:fs';
import type { Attachment } from '../../cni/attachment.ts';
import { readArgs } from '../../cni/environment.ts';
import { podOf } from '../../cni/pod-identity.ts';
import type { ShimRequest } from '../../cni/shim-protocol.ts';
import type { AgentConfig } from '../../lib/config/agent.ts';
import { UsvhostError, usvError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import { KubernetesApi } from './api.ts';
import { type Clock, machineClock } from './clock.ts';
import { EventRecorder, type EventResult } from './event-recorder.ts';
import { NodeCondition } from './node-condition.ts';
import type { PodInformer } from './pod-informer.ts';
import type { PodSummary } from './pod-summary.ts';
import { PortStory, podReference } from './port-story.ts';

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
export function kubernetesSide(
  config: Pick<AgentConfig, 'kubernetes' | 'kubeconfig' | 'nodeName' | 'nodeCondition' | 'resourceName'>,
  env: Readonly<Record<string, string | undefined>>,
  deps: KubernetesDeps,
): KubernetesSide | undefined {
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
  return new Side({ ...config, nodeName }, deps);
}

class Side implements KubernetesSide {
  readonly ports: PortStory;
  readonly #config: Pick<AgentConfig, 'kubeconfig' | 'resourceName'> & { readonly nodeName: string };
  readonly #deps: KubernetesDeps;
  readonly #api: KubernetesApi;
  readonly #events: EventRecorder;
  readonly #condition: NodeCondition | undefined;
  /** Uids of pods that were told of; as many as the node has pods. */
  readonly #missed = new Set<string>();
  readonly #informer: Promise<PodInformer | undefined>;
  #pods: PodInformer | undefined;
  #closed = false;

  constructor(
    config: Pick<AgentConfig, 'kubeconfig' | 'nodeCondition' | 'resourceName'> & {
      readonly nodeName: string;
    },
    deps: KubernetesDeps,
  ) {
    this.#config = config;
    this.#deps = deps;
    const { nodeName, kubeconfig } = config;
    const { log, clock = machineClock } = deps;
    const api = new KubernetesApi({
      load: async () => (await import('./kube-config.ts')).loadKubeConfig(kubeconfig),
    });
    this.#api = api;
    const common = { api, nodeName, clock, log };
    this.#events = new EventRecorder({ ...common, count: (result) => deps.observer.event(result) });
    this.#condition = config.nodeCondition ? new NodeCondition(common) : undefined;
    this.ports = new PortStory({
      attachmentOf: deps.attachmentOf,
      isEnding: (pod) => this.#pods?.isEnding(pod) ?? false,
      tell: (pod, news) => this.#events.tell(pod, news),
    });
    this.#informer = this.#watchPods(clock);
  }

  switchReachable(reachable: boolean): void {
    this.#condition?.set(reachable);
    if (!reachable) this.ports.away();
  }

  callFailed(request: ShimRequest, error: UsvhostError): void {
    if (request.command !== 'ADD') return;
    const pod = podOfRequest(request);
    if (pod === undefined) return;
    const note = `${error.message}. ${error.next}`;
    this.#events.tell(pod, { reason: 'AttachFailed', subject: error.code, note });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.ports.close();
    await (await this.#informer)?.close();
    await Promise.all([this.#events.close(), this.#condition?.close()]);
    this.#api.close();
  }

  async #watchPods(clock: Clock): Promise<PodInformer | undefined> {
    const { nodeName, resourceName } = this.#config;
    const { log, observer } = this.#deps;
    const { PodInformer } = await import('./pod-informer.ts');
    if (this.#closed) return undefined;
    this.#pods = new PodInformer({
      api: this.#api,
      nodeName,
      resourceName,
      clock,
      log,
      onSeen: (pod) => this.#seen(pod),
      onGone: (pod) => this.#gone(pod),
      onContact: () => observer.contact(),
      onRestart: () => observer.informerRestarted(),
    });
    return this.#pods;
  }

  #seen({ metadata, ending, wantsPorts, hasPorts }: PodSummary): void {
    if (!wantsPorts || hasPorts || ending || this.#missed.has(metadata.uid)) return;
    this.#missed.add(metadata.uid);
    const { namespace, name, uid } = metadata;
    this.#events.tell(
      { namespace, name, uid },
      {
        reason: 'WebhookMissed',
        subject: '',
        note:
          "The pod's annotations ask for a port and it has none: the admission webhook was away when it was created, or is not asked in " +
          'this namespace. Create the pod again when the webhook is there.',
      },
    );
  }

  #gone({ metadata, hasPorts }: PodSummary): void {
    this.#missed.delete(metadata.uid);
    if (hasPorts) this.#deps.onPodGone();
  }
}

function podOfRequest(request: ShimRequest): ReturnType<typeof podReference> {
  try {
    return podReference(podOf(readArgs(request)));
  } catch (error) {
    // It failed for this: then nobody knows whose it is.
    if (!(error instanceof UsvhostError)) throw error;
    return undefined;
  }
}
