// SPDX-License-Identifier: Apache-2.0
//
// Watches the pods of the node, so that the agent hears of an end at once and not at its next look, and finds pods that the webhook has not
// seen. An improvement and no need: whatever it does not see, the reconciler finds. client-node's ListWatch ends at most errors; it is
// started again here, with pauses that double.

import { ListWatch } from '@kubernetes/client-node/dist/cache.js';
import { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import type { KubernetesListObject } from '@kubernetes/client-node/dist/types.js';
import { Watch } from '@kubernetes/client-node/dist/watch.js';
import * as z from 'zod/mini';
import { type Backoff, createBackoff } from '../../lib/backoff.ts';
import { UsvhostError, usvFailure } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { KubernetesApi } from './api.ts';
import type { Clock } from './clock.ts';
import { messageIn, type PodReference } from './event-recorder.ts';
import { type PodSummary, summarize } from './pod-summary.ts';

export interface PodInformerOptions {
  readonly api: Pick<KubernetesApi, 'request' | 'stream'>;
  readonly nodeName: string;
  /** Name of the extended resource of ports. */
  readonly resourceName: string;
  readonly clock: Clock;
  readonly log: Pick<Logger, 'debug' | 'info' | 'warn'>;
  /** A pod is there, or has changed. */
  readonly onSeen: (pod: PodSummary) => void;
  /** A pod has gone. */
  readonly onGone: (pod: PodSummary) => void;
  /** The list, a change or a bookmark has come. */
  readonly onContact: () => void;
  /** It has ended by an error and will be started again. */
  readonly onRestart: () => void;
  /** First pause before that. Default 1000. */
  readonly retryMillis?: number;
}

/** The API server ends a watch after this time, and a connection that lasts longer is dead. */
const watchSeconds = 240;
const watchMillis = (watchSeconds + 30) * 1000;
/** A pod may have 1.5 MB, and a hostile one has. */
const podsPerPage = 16;
const path = '/api/v1/pods';

const listSchema = z.looseObject({
  metadata: z.looseObject({ resourceVersion: z.string(), continue: z.optional(z.string()) }),
  items: z.array(z.unknown()),
});
const lineSchema = z.looseObject({ type: z.string(), object: z.unknown() });
const bookmarkSchema = z.looseObject({ metadata: z.looseObject({ resourceVersion: z.string() }) });

export class PodInformer {
  readonly #options: PodInformerOptions;
  readonly #backoff: Backoff;
  readonly #stop = new AbortController();
  readonly #informer: ListWatch<PodSummary>;
  #synced = false;
  #restarting: Promise<void> | undefined;

  /** Starts at once. */
  constructor(options: PodInformerOptions) {
    this.#options = options;
    this.#backoff = createBackoff({ initialMillis: options.retryMillis ?? 1000, maxMillis: 60_000 });
    const watch = new PodWatch(options, this.#stop.signal, () => this.#contact());
    // The selector is the watch's own affair: here it would be written with the library's generated classes.
    this.#informer = new ListWatch<PodSummary>(path, watch, async () => this.#list(), false);
    this.#informer.on('add', options.onSeen);
    this.#informer.on('update', options.onSeen);
    this.#informer.on('delete', options.onGone);
    this.#informer.on('error', (error: unknown) => this.#restart(error));
    void this.#informer.start();
  }

  /** Whether the pod is ending or gone, as far as has been heard. */
  isEnding({ namespace, name, uid }: PodReference): boolean {
    if (!this.#synced) return false;
    const pod = this.#informer.get(name, namespace);
    return pod === undefined || pod.metadata.uid !== uid || pod.ending;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#informer.stop();
    await this.#restarting;
  }

  #contact(): void {
    this.#backoff.reset();
    this.#options.onContact();
  }

  #restart(error: unknown): void {
    const { clock, log, onRestart } = this.#options;
    if (this.#stop.signal.aborted) return;
    // It has errors of its own, and those of whoever it calls.
    log.debug({ err: error }, 'the watch of pods has ended');
    onRestart();
    const again = async (): Promise<void> => {
      await clock.sleep(this.#backoff.next(), this.#stop.signal);
      if (!this.#stop.signal.aborted) await this.#informer.start();
    };
    this.#restarting = again();
  }

  async #list(): Promise<KubernetesListObject<PodSummary>> {
    const { api, nodeName, resourceName, log } = this.#options;
    const items: PodSummary[] = [];
    let page = '';
    for (;;) {
      const query = {
        fieldSelector: `spec.nodeName=${nodeName}`,
        limit: String(podsPerPage),
        ...(page === '' ? {} : { continue: page }),
      };
      const { status, body } = await api.request({ method: 'GET', path, query, signal: this.#stop.signal });
      const list = listSchema.safeParse(body);
      if (status !== 200 || !list.success)
        throw usvFailure('USV_KUBERNETES', `pods cannot be listed: ${status} ${messageIn(body)}`);
      items.push(...list.data.items.flatMap((item) => summarize(item, resourceName) ?? []));
      page = list.data.metadata.continue ?? '';
      if (page !== '') continue;
      if (!this.#synced) log.info({ pods: items.length }, 'pods are watched');
      this.#synced = true;
      this.#contact();
      const { resourceVersion } = list.data.metadata;
      return { apiVersion: 'v1', kind: 'PodList', metadata: { resourceVersion }, items };
    }
  }
}

/** One watch after the other for ListWatch, over our own connection. */
class PodWatch extends Watch {
  readonly #options: PodInformerOptions;
  readonly #closed: AbortSignal;
  readonly #onContact: () => void;

  constructor(options: PodInformerOptions, closed: AbortSignal, onContact: () => void) {
    super(new KubeConfig());
    this.#options = options;
    this.#closed = closed;
    this.#onContact = onContact;
  }

  override async watch(
    ...[at, query, onObject, onEnd]: Parameters<Watch['watch']>
  ): Promise<AbortController> {
    const controller = new AbortController();
    // It may have been stopped while it listed.
    if (this.#closed.aborted) controller.abort();
    else
      void this.#follow(
        { at, version: String(query['resourceVersion'] ?? ''), onObject, onEnd },
        controller.signal,
      );
    return controller;
  }

  async #follow({ at, version, onObject, onEnd }: Following, stopped: AbortSignal): Promise<void> {
    const { api, nodeName } = this.#options;
    const query = {
      watch: 'true',
      fieldSelector: `spec.nodeName=${nodeName}`,
      resourceVersion: version,
      allowWatchBookmarks: 'true',
      timeoutSeconds: String(watchSeconds),
    };
    const signal = AbortSignal.any([this.#closed, stopped]);
    let end: unknown = null;
    try {
      const status = await api.stream({ method: 'GET', path: at, query, signal }, watchMillis, (line) =>
        this.#hand(line, onObject),
      );
      if (status !== 200) {
        const refused = usvFailure('USV_KUBERNETES', `pods cannot be watched: ${status}`);
        // By which ListWatch knows that it has to list again.
        end = Object.assign(refused, { statusCode: status });
      }
    } catch (error) {
      if (!(error instanceof UsvhostError)) throw error;
      end = error;
    }
    // Whoever stopped it waits for nothing.
    if (!signal.aborted) onEnd(end);
  }

  #hand(text: string, onObject: Following['onObject']): void {
    const { type, object } = lineSchema.parse(JSON.parse(text));
    this.#onContact();
    if (type === 'ERROR') return onObject(type, object);
    if (type === 'BOOKMARK') return onObject(type, bookmarkSchema.parse(object));
    const pod = summarize(object, this.#options.resourceName);
    if (pod !== undefined) onObject(type, pod);
  }
}

interface Following {
  readonly at: string;
  readonly version: string;
  readonly onObject: Parameters<Watch['watch']>[2];
  readonly onEnd: Parameters<Watch['watch']>[3];
}
