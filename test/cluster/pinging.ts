// SPDX-License-Identifier: Apache-2.0
//
// A ping that goes on in a pod while things are restarted around it, and what of it was answered. It runs beside the container's
// own command and writes to a file there: a runtime that restarts ends every `kubectl exec`.

import { eventually } from '../support/eventually.ts';
import type { PodSpace } from './pod-space.ts';
import { said } from './said.ts';

const file = '/tmp/ping';
/** Answers in a row that show that frames flow again: two seconds' worth. */
const enough = 20;

export class Pinging {
  readonly #stage: PodSpace;
  readonly #pod: string;

  private constructor(stage: PodSpace, pod: string) {
    this.#stage = stage;
    this.#pod = pod;
  }

  /** Ten a second. It ends with the pod. */
  static async start(stage: PodSpace, pod: string, target: string): Promise<Pinging> {
    const script = `ping -I net1 -i 0.1 ${target} > ${file} 2>&1 &`;
    await stage.exec(pod, 'sh', '-c', script);
    return new Pinging(stage, pod);
  }

  /** Waits for more answers, and returns how many requests before these were never answered. */
  async goesOn(): Promise<number> {
    const first = await this.#until((numbers) => numbers.length > 0);
    const from = first.at(-1) ?? 0;
    const numbers = await this.#until((all) => all.filter((number) => number > from).length >= enough);
    return (numbers.at(-1) ?? 0) + 1 - numbers.length;
  }

  async #until(accept: (numbers: readonly number[]) => boolean): Promise<number[]> {
    const parse = (text: string): number[] =>
      [...text.matchAll(/\bseq=(\d+) /g)].map(([, number]) => Number(number));
    // It fails while a runtime or a kubelet starts.
    const look = async (): Promise<string> => said(this.#stage.exec(this.#pod, 'cat', file));
    const options = { millis: 90_000, stepMillis: 200 };
    return parse(await eventually(look, (text) => accept(parse(text)), 'answers to the ping', options));
  }
}
