// SPDX-License-Identifier: Apache-2.0
//
// Which events the agent writes on pods, and how their words are made fit for a reader's terminal: what a pod can influence
// has no control characters and an end.

/** `note` of events.k8s.io/v1 has at most so many bytes (its validation in Kubernetes, NoteLengthLimit). */
export const noteBytes = 1024;

interface Kind {
  readonly type: 'Normal' | 'Warning';
  /** What the agent was about, as the API wants it beside the reason. */
  readonly action: string;
}

/** By reason. */
export const eventKinds = {
  /** A driver is connected to a port for the first time. */
  PortConnected: { type: 'Normal', action: 'Connect' },
  /** A driver was connected and is not, for longer than a moment. */
  PortLost: { type: 'Warning', action: 'Connect' },
  /** After PortLost. */
  PortRecovered: { type: 'Normal', action: 'Connect' },
  /** The switch closed the connection of a peer that broke its rules. */
  PortRefused: { type: 'Warning', action: 'Connect' },
  /** A CNI ADD has failed. */
  AttachFailed: { type: 'Warning', action: 'Attach' },
  /** Annotations ask for ports, and nobody has read them. */
  WebhookMissed: { type: 'Warning', action: 'Admit' },
} as const satisfies Record<string, Kind>;

export type EventReason = keyof typeof eventKinds;

/** One line without anything that a terminal acts upon, or that turns the order of letters, in at most `bytes` of UTF-8. */
export function cleanText(text: string, bytes: number): string {
  const line = text.replaceAll(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ').trim();
  if (Buffer.byteLength(line) <= bytes) return line;
  const end = '…';
  let kept = '';
  let left = bytes - Buffer.byteLength(end);
  for (const letter of line) {
    left -= Buffer.byteLength(letter);
    if (left < 0) break;
    kept += letter;
  }
  return kept + end;
}
