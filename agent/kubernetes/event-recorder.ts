// SPDX-License-Identifier: Apache-2.0
//
// Events on pods (events.k8s.io/v1). Telling one takes no time and never fails: what is the same is counted in a series, each pod has
// few, and what cannot be written waits in a bounded queue. An API server that is away costs events, which are counted, and nothing
// else. One writer, so that an event and the changes of its series cannot overtake each other.

import { randomBytes } from 'node:crypto';
import type { EventsV1Event } from '@kubernetes/client-node';
import { createBackoff } from '../../lib/backoff.ts';
import { UsvhostError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import { TokenBucket } from '../../lib/token-bucket.ts';
import type { ApiAnswer, KubernetesApi } from './api.ts';
import { type Clock, microTime } from './clock.ts';
import { cleanText, type EventReason, eventKinds, noteBytes } from './event-text.ts';

export interface PodReference {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface PodNews {
  readonly reason: EventReason;
  /** What of the pod it is about, an interface or a code: news with the same reason and subject are one series, whatever their notes. */
  readonly subject: string;
  readonly note: string;
}

/** How an occurrence ended that was to become an event, or to be counted in one. */
export type EventResult = 'written' | 'limited' | 'overflow' | 'refused';

export interface EventRecorderOptions {
  readonly api: Pick<KubernetesApi, 'request'>;
  readonly nodeName: string;
  readonly clock: Clock;
  readonly log: Pick<Logger, 'debug'>;
  readonly count: (result: EventResult) => void;
  /** Events and changes of series that wait to be written. Default 256; the oldest goes first. */
  readonly maxWaiting?: number;
  /** Time that close() gives to what waits. Default 1000. */
  readonly closeMillis?: number;
}

interface Series {
  readonly pod: PodReference;
  readonly news: PodNews;
  readonly name: string;
  readonly first: number;
  last: number;
  count: number;
  /** How many the API server knows of; 0: it has no such event. */
  written: number;
}

/** As the recorder of client-go has them for one object (tools/record, EventSourceObjectSpamFilter): 25 at once, one in 5 minutes. */
const podLimits = { burst: 25, perSecond: 1 / 300 };
/** Of the whole node. */
const nodeLimits = { burst: 50, perSecond: 10 };
/** A later one begins a new series. */
const seriesMillis = 10 * 60_000;
/** Series and pods that are remembered: the least recent goes. */
const mostRemembered = 2048;
const group = '/apis/events.k8s.io/v1/namespaces';

export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #known = new Map<string, Series>();
  readonly #buckets = new Map<string, TokenBucket>();
  readonly #waiting = new Set<Series>();
  readonly #stop = new AbortController();
  readonly #pace: TokenBucket;
  readonly #backoff = createBackoff({ initialMillis: 1000, maxMillis: 60_000 });
  #running: Promise<void> | undefined;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#pace = new TokenBucket({ ...nodeLimits, now: () => options.clock.now() });
  }

  /** Never waits, never throws. */
  tell(pod: PodReference, news: PodNews): void {
    const now = this.#options.clock.now();
    const key = `${pod.uid} ${news.reason} ${news.subject}`;
    const series = this.#current(key, now) ?? this.#begin(pod, news, now);
    remember(this.#known, key, series);
    series.last = now;
    series.count++;
    // It goes along with what waits.
    if (this.#waiting.has(series)) return;
    // The next one of the series that is let through has the count of those that were not.
    if (!this.#bucketOf(pod.uid).take()) return this.#options.count('limited');
    this.#enqueue(series);
  }

  /** Takes nothing more; what waits has a moment. */
  async close(): Promise<void> {
    const { clock, closeMillis = 1000 } = this.#options;
    const done = new AbortController();
    await Promise.race([this.#running, clock.sleep(closeMillis, done.signal)]);
    done.abort();
    this.#stop.abort();
    await this.#running;
  }

  #current(key: string, now: number): Series | undefined {
    const series = this.#known.get(key);
    return series !== undefined && now - series.last <= seriesMillis ? series : undefined;
  }

  #begin(pod: PodReference, news: PodNews, now: number): Series {
    // A name of a pod may be as long as that of an event.
    const name = `${pod.name.slice(0, 230)}.${randomBytes(8).toString('hex')}`;
    return { pod, news, name, first: now, last: now, count: 0, written: 0 };
  }

  #bucketOf(uid: string): TokenBucket {
    const bucket =
      this.#buckets.get(uid) ?? new TokenBucket({ ...podLimits, now: () => this.#options.clock.now() });
    remember(this.#buckets, uid, bucket);
    return bucket;
  }

  #enqueue(series: Series): void {
    const { count } = this.#options;
    if (this.#stop.signal.aborted) return count('overflow');
    this.#waiting.add(series);
    this.#bound();
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** Puts one back that could not be written: still the oldest. */
  #keep(series: Series): void {
    const others = [...this.#waiting];
    this.#waiting.clear();
    for (const each of [series, ...others]) this.#waiting.add(each);
    this.#bound();
  }

  #bound(): void {
    const { maxWaiting = 256, count } = this.#options;
    const [oldest] = this.#waiting;
    if (oldest === undefined || this.#waiting.size <= maxWaiting) return;
    this.#waiting.delete(oldest);
    count('overflow');
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#stop;
    for (;;) {
      const pause = this.#pace.wait();
      if (pause > 0) await clock.sleep(pause, signal);
      const [series] = this.#waiting;
      if (series === undefined || signal.aborted) return;
      this.#pace.take();
      // An occurrence from now on is one more to write.
      this.#waiting.delete(series);
      if (await this.#settle(series)) this.#backoff.reset();
      else {
        this.#keep(series);
        await clock.sleep(this.#backoff.next(), signal);
      }
    }
  }

  /** False: to be tried again. */
  async #settle(series: Series): Promise<boolean> {
    const { log, count } = this.#options;
    const counted = series.count;
    try {
      const { status, body } = await this.#write(series);
      if (status === 404 && series.written > 0) {
        // Its time is over (an hour, by default), and the series goes on under the same name.
        series.written = 0;
        return false;
      }
      // 409: the answer to an attempt before has been lost.
      if ((status >= 200 && status < 300) || status === 409) {
        series.written = counted;
        count('written');
        return true;
      }
      log.debug({ status, answer: messageIn(body), event: series.news.reason }, 'an event was not written');
      if (status === 401 || status === 429 || status >= 500) return false;
      count('refused');
      return true;
    } catch (error) {
      if (!(error instanceof UsvhostError)) throw error;
      log.debug({ err: error }, 'an event waits for the API server');
      return false;
    }
  }

  async #write(series: Series): Promise<ApiAnswer> {
    const { api } = this.#options;
    const { signal } = this.#stop;
    const collection = `${group}/${encodeURIComponent(series.pod.namespace)}/events`;
    if (series.written === 0)
      return api.request({ method: 'POST', path: collection, body: this.#document(series), signal });
    const path = `${collection}/${encodeURIComponent(series.name)}`;
    const contentType = 'application/merge-patch+json';
    return api.request({ method: 'PATCH', path, body: { series: seriesOf(series) }, contentType, signal });
  }

  #document(series: Series): Json<EventsV1Event> {
    const { pod, news, name } = series;
    const { type, action } = eventKinds[news.reason];
    return {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { name, namespace: pod.namespace },
      eventTime: microTime(series.first),
      reportingController: 'usvhost-agent',
      // At most 128 characters, where a node's name may have 253.
      reportingInstance: this.#options.nodeName.slice(0, 128),
      type,
      action,
      reason: news.reason,
      note: cleanText(news.note, noteBytes),
      regarding: { apiVersion: 'v1', kind: 'Pod', ...pod },
      ...(series.count > 1 ? { series: seriesOf(series) } : {}),
    };
  }
}

/** What the library's types have as dates is text on the wire. */
type Json<Value> = {
  [Key in keyof Value]: NonNullable<Value[Key]> extends Date
    ? string
    : NonNullable<Value[Key]> extends object
      ? Json<Value[Key]>
      : Value[Key];
};

function seriesOf({ count, last }: Series): { count: number; lastObservedTime: string } {
  return { count, lastObservedTime: microTime(last) };
}

/** Makes it the most recent one, and forgets the least recent. */
function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= mostRemembered) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}

/** The words of a Status of the API. */
export function messageIn(body: unknown): string {
  const message = typeof body === 'object' && body !== null && 'message' in body ? body.message : undefined;
  return typeof message === 'string' ? cleanText(message, noteBytes) : '';
}
