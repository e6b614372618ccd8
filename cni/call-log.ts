// SPDX-License-Identifier: Apache-2.0
//
// The log of one call: every line has what is known of the attachment by then, whoever writes it. Only names that the
// runtime and the configuration gave; the request itself is not repeated.

import type { Attachment } from './attachment.ts';

type Fields = Readonly<Record<string, unknown>>;

export interface CallLog {
  info(fields: Fields, text: string): void;
  warn(fields: Fields, text: string): void;
}

/** Which attachment a line is about. */
export function attachmentFields(attachment: Attachment): Fields {
  const { containerId, ifname, podNamespace, podName, podUid, device, port } = attachment;
  const pod = { podNamespace, podName, podUid };
  const given = Object.entries(pod).filter(([, value]) => value !== null);
  return { containerId, ifname, ...Object.fromEntries(given), device, port };
}

/** The log of a call, which learns more about it as the call goes on. */
export class AttachmentLog implements CallLog {
  readonly #to: CallLog;
  #known: Fields;

  constructor(to: CallLog, known: Fields) {
    this.#to = to;
    this.#known = known;
  }

  /** Every line from now on has these fields too. */
  know(fields: Fields): void {
    this.#known = { ...this.#known, ...fields };
  }

  info(fields: Fields, text: string): void {
    this.#to.info({ ...this.#known, ...fields }, text);
  }

  warn(fields: Fields, text: string): void {
    this.#to.warn({ ...this.#known, ...fields }, text);
  }
}
