// SPDX-License-Identifier: Apache-2.0
//
// The condition UsvhostSwitchReady in the status of the agent's node: whether its switch answers. It is written when that changes and
// every five minutes, as the kubelet does with its own; an agent that stops leaves Unknown behind, and one that was killed an old
// time. Only what is newest is written, so that a switch that comes and goes costs a request a second at most.

import * as z from 'zod/mini';
import { createBackoff } from '../../lib/backoff.ts';
import { UsvhostError, usvFailure } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { KubernetesApi } from './api.ts';
import { type Clock, wholeSeconds } from './clock.ts';
import { messageIn } from './event-recorder.ts';

export interface NodeConditionOptions {
  readonly api: Pick<KubernetesApi, 'request'>;
  readonly nodeName: string;
  readonly clock: Clock;
  readonly log: Pick<Logger, 'debug' | 'warn'>;
  /** Between two writes of the same. Default five minutes. */
  readonly heartbeatMillis?: number;
  /** How long a switch may be silent at the start. Default 5000. */
  readonly firstMillis?: number;
  /** Time for the last write. Default 2000. */
  readonly closeMillis?: number;
}

interface State {
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
}

export const conditionType = 'UsvhostSwitchReady';

const states = {
  reachable: { status: 'True', reason: 'SwitchReachable', message: 'the switch answers the agent' },
  unreachable: {
    status: 'False',
    reason: 'SwitchUnreachable',
    message: 'the switch does not answer; pods that need a port wait, and ports carry nothing',
  },
  stopped: {
    status: 'Unknown',
    reason: 'AgentStopped',
    message: 'the agent has stopped and does not look at the switch any more',
  },
} as const satisfies Record<string, State>;

const nodeSchema = z.looseObject({
  status: z.looseObject({
    conditions: z.optional(
      z.array(
        z.looseObject({ type: z.string(), status: z.string(), lastTransitionTime: z.optional(z.string()) }),
      ),
    ),
  }),
});
/** Between two writes. */
const pauseMillis = 1000;

export class NodeCondition {
  readonly #options: NodeConditionOptions;
  readonly #path: string;
  readonly #stop = new AbortController();
  #wanted: State | undefined;
  #written: State | undefined;
  /** When the status became what it is, as far as is known. */
  #since: { readonly status: string; readonly time: string } | undefined;
  #wake = Promise.withResolvers<void>();
  readonly #running: Promise<void>;
  #complained = false;

  /** Waits for the first word about the switch; a switch that has not been seen by then does not answer. */
  constructor(options: NodeConditionOptions) {
    this.#options = options;
    this.#path = `/api/v1/nodes/${encodeURIComponent(options.nodeName)}/status`;
    this.#running = this.#run();
  }

  /** What the agent sees of the switch; never waits, never throws. */
  set(reachable: boolean): void {
    this.#wanted = reachable ? states.reachable : states.unreachable;
    this.#wake.resolve();
  }

  /** Says Unknown, if the API server is there, and nothing more. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#wake.resolve();
    await this.#running;
    if (this.#written === undefined) return;
    this.#wanted = states.stopped;
    await this.#write(AbortSignal.timeout(this.#options.closeMillis ?? 2000));
  }

  async #run(): Promise<void> {
    const { clock, heartbeatMillis = 5 * 60_000 } = this.#options;
    const { signal } = this.#stop;
    const backoff = createBackoff({ initialMillis: pauseMillis, maxMillis: 60_000 });
    await this.#rest(this.#options.firstMillis ?? 5000);
    this.#wanted ??= states.unreachable;
    while (!signal.aborted) {
      this.#wake = Promise.withResolvers();
      if (!(await this.#write(signal))) {
        await clock.sleep(backoff.next(), signal);
        continue;
      }
      backoff.reset();
      await clock.sleep(pauseMillis, signal);
      if (this.#written !== this.#wanted) continue;
      await this.#rest(heartbeatMillis);
    }
  }

  /** Until there is news, or that time has passed. */
  async #rest(millis: number): Promise<void> {
    const over = new AbortController();
    const slept = this.#options.clock.sleep(millis, AbortSignal.any([this.#stop.signal, over.signal]));
    await Promise.race([this.#wake.promise, slept]);
    over.abort();
  }

  /** False when it could not be written. */
  async #write(signal: AbortSignal): Promise<boolean> {
    const { api, clock, log } = this.#options;
    const wanted = this.#wanted;
    if (wanted === undefined) return true;
    try {
      this.#since ??= await this.#read(signal);
      const now = wholeSeconds(clock.now());
      const time = this.#since.status === wanted.status ? this.#since.time : now;
      const condition = { type: conditionType, ...wanted, lastHeartbeatTime: now, lastTransitionTime: time };
      // Conditions have their type as key, so those of others stay (sig-architecture, strategic merge patch).
      const { status, body } = await api.request({
        method: 'PATCH',
        path: this.#path,
        contentType: 'application/strategic-merge-patch+json',
        body: { status: { conditions: [condition] } },
        signal,
      });
      if (status !== 200) throw refusal('write', status, body);
      this.#since = { status: wanted.status, time };
      this.#written = wanted;
      this.#complained = false;
      return true;
    } catch (error) {
      if (!(error instanceof UsvhostError)) throw error;
      // Once for each time that it lasts; tried again it is anyway.
      if (this.#complained || signal.aborted) log.debug({ err: error }, 'the condition of the node waits');
      else log.warn({ code: error.code }, `the condition of the node waits: ${error.details}`);
      this.#complained = true;
      return false;
    }
  }

  /** What an agent before us has left. */
  async #read(signal: AbortSignal): Promise<{ readonly status: string; readonly time: string }> {
    const { api, clock } = this.#options;
    const { status, body } = await api.request({ method: 'GET', path: this.#path, signal });
    const node = nodeSchema.safeParse(body);
    if (status !== 200 || !node.success) throw refusal('read', status, body);
    const found = node.data.status.conditions?.find(({ type }) => type === conditionType);
    return { status: found?.status ?? '', time: found?.lastTransitionTime ?? wholeSeconds(clock.now()) };
  }
}

function refusal(what: string, status: number, body: unknown): UsvhostError {
  return usvFailure('USV_KUBERNETES', `cannot ${what} the status of the node: ${status} ${messageIn(body)}`);
}
