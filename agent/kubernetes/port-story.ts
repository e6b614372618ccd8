// SPDX-License-Identifier: Apache-2.0
//
// What happens to the ports of pods, told as events: connected, lost, recovered, refused. It hears each state that the switch has for a
// port (agent/node-switch.ts). A loss is told only when it lasts for a moment and the pod is not ending: drivers connect again in
// milliseconds, and the last thing that a pod's driver does is to go.

import type { Attachment } from '../../cni/attachment.ts';
import { type ErrorCode, errorTable, isErrorCode } from '../../lib/errors.ts';
import type { PodNews, PodReference } from './event-recorder.ts';

export interface PortStoryOptions {
  readonly attachmentOf: (port: string) => Attachment | undefined;
  /** Whether the pod is known to be ending or gone. */
  readonly isEnding: (pod: PodReference) => boolean;
  readonly tell: (pod: PodReference, news: PodNews) => void;
  /** How long a port must be without a driver. Default 1000. */
  readonly settleMillis?: number;
}

/** Why a switch closes a connection that its peer, not the switch, has spoilt. */
const refusals: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'USV_MESSAGE',
  'USV_RING',
  'USV_REGION',
  'USV_HANDSHAKE',
  'USV_FEATURES',
  'USV_PORT_BUSY',
]);

const noDriver = 'no driver of the pod is connected any more';

interface Chapter {
  /** What was told last; undefined: no driver has been there. */
  told: 'up' | 'lost' | undefined;
  /** Until a loss is told. */
  timer?: NodeJS.Timeout | undefined;
}

export class PortStory {
  readonly #options: PortStoryOptions;
  readonly #chapters = new Map<string, Chapter>();
  #begun = false;

  constructor(options: PortStoryOptions) {
    this.#options = options;
  }

  /** These are all ports, state by name. Those that are up at the first look were up before, and nobody is told. */
  replace(ports: ReadonlyMap<string, string>): void {
    for (const port of this.#chapters.keys()) {
      if (!ports.has(port)) this.#down(port, noDriver);
    }
    for (const [port, state] of ports) {
      if (state !== 'up') this.#down(port, noDriver);
      else if (this.#begun) this.#up(port);
      else this.#chapters.set(port, { told: 'up' });
    }
    this.#begun = true;
  }

  /** One port has come, changed, or, with an undefined state, gone. `reason`: why, as the switch says it; `<USV code>: text` for an error. */
  change(port: string, state: string | undefined, reason = ''): void {
    if (state === undefined) return this.#forget(port);
    const code = refusalIn(reason);
    if (code !== undefined) this.#refused(port, code, reason);
    if (state === 'up') this.#up(port);
    else this.#down(port, reason === '' ? noDriver : reason);
  }

  /** The switch does not answer any more. */
  away(): void {
    for (const port of this.#chapters.keys()) this.#down(port, 'the switch of the node does not answer');
  }

  close(): void {
    for (const { timer } of this.#chapters.values()) clearTimeout(timer);
    this.#chapters.clear();
  }

  #up(port: string): void {
    const chapter = this.#chapter(port);
    clearTimeout(chapter.timer);
    chapter.timer = undefined;
    const before = chapter.told;
    chapter.told = 'up';
    if (before === 'up') return;
    const reason = before === undefined ? 'PortConnected' : 'PortRecovered';
    this.#tell(port, ({ ifname, network }) => ({
      reason,
      subject: ifname,
      note: `${ifname}: a driver is connected${before === undefined ? '' : ' again'} to the port ${port} of the network ${network}`,
    }));
  }

  #down(port: string, why: string): void {
    const chapter = this.#chapters.get(port);
    if (chapter?.told !== 'up' || chapter.timer !== undefined) return;
    const tellLoss = (): void => {
      chapter.timer = undefined;
      const attachment = this.#options.attachmentOf(port);
      const pod = attachment === undefined ? undefined : podReference(attachment);
      if (pod !== undefined && this.#options.isEnding(pod)) return;
      chapter.told = 'lost';
      const next = 'The port waits for a driver; `usvhost doctor` on the node looks for the reason';
      this.#tell(port, ({ ifname }) => ({
        reason: 'PortLost',
        subject: ifname,
        note: `${ifname}: ${why}. ${next}`,
      }));
    };
    chapter.timer = setTimeout(tellLoss, this.#options.settleMillis ?? 1000);
  }

  #refused(port: string, code: ErrorCode, reason: string): void {
    this.#tell(port, ({ ifname }) => ({
      reason: 'PortRefused',
      subject: `${ifname} ${code}`,
      note: `${ifname}: ${reason}. ${errorTable[code].next}`,
    }));
  }

  #forget(port: string): void {
    clearTimeout(this.#chapters.get(port)?.timer);
    this.#chapters.delete(port);
  }

  #chapter(port: string): Chapter {
    const known = this.#chapters.get(port);
    if (known !== undefined) return known;
    const chapter: Chapter = { told: undefined };
    this.#chapters.set(port, chapter);
    return chapter;
  }

  #tell(port: string, news: (attachment: Attachment) => PodNews): void {
    const attachment = this.#options.attachmentOf(port);
    if (attachment === undefined || attachment.state === 'deleting') return;
    const pod = podReference(attachment);
    if (pod !== undefined) this.#options.tell(pod, news(attachment));
  }
}

/** Undefined outside of Kubernetes, and for a runtime that does not say all of it. */
export function podReference({
  podNamespace: namespace,
  podName: name,
  podUid: uid,
}: Pick<Attachment, 'podNamespace' | 'podName' | 'podUid'>): PodReference | undefined {
  return namespace === null || name === null || uid === null ? undefined : { namespace, name, uid };
}

function refusalIn(reason: string): ErrorCode | undefined {
  const code = reason.split(':', 1)[0] ?? '';
  return isErrorCode(code) && refusals.has(code) ? code : undefined;
}
