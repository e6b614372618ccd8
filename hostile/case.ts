// SPDX-License-Identifier: Apache-2.0
//
// What a case is: an identity, a script for the player, and what must come of it.

/** Codes of lib/errors.ts with which the switch ends an attacker's port. */
export type EndCode = 'USV_MESSAGE' | 'USV_REGION' | 'USV_RING' | 'USV_HANDSHAKE' | 'USV_IO';

export interface Ends {
  readonly kind: 'ends';
  readonly code: EndCode;
  /** Part of the reason behind the code, where one code has several. */
  readonly saying?: string;
}
/** The connection lives until the attacker leaves. */
export interface Stays {
  readonly kind: 'stays';
}
/** Depends on who is faster: it lives, or ends with one of these codes. */
export interface Either {
  readonly kind: 'either';
  readonly codes: readonly EndCode[];
}
export type Expectation = Ends | Stays | Either;

export interface HostileCase {
  /** Its class, a slash, and a name of its own: `chain/self-loop`. */
  readonly id: string;
  /** What is sent, in words. */
  readonly about: string;
  /** Steps for the player (docs/hostile.md). */
  readonly script: readonly string[];
  readonly expect: Expectation;
  /** Virtio feature bits that the back-end must offer, or there is nothing to attack. */
  readonly needs?: bigint;
  /** The same for protocol feature bits. */
  readonly needsProtocol?: bigint;
}

export const ends = (code: EndCode, saying?: string): Ends => ({
  kind: 'ends',
  code,
  ...(saying === undefined ? {} : { saying }),
});
export const stays: Stays = { kind: 'stays' };
export const either = (...codes: readonly EndCode[]): Either => ({ kind: 'either', codes });

/** The class of a case. */
export function classOf({ id }: Pick<HostileCase, 'id'>): string {
  return id.slice(0, id.indexOf('/'));
}
