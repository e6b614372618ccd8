// SPDX-License-Identifier: Apache-2.0
//
// A ping without end from one pod to another, seen answer by answer: through the kernels' taps with the system's ping, or
// by our own engine. Each answer has a sequence number and a time, so that an outage can be measured.

import { EventEmitter, once } from 'node:events';
import { Child } from '../../cli/demo/process.ts';
import type { Stage } from '../../cli/demo/stage.ts';

interface Answer {
  readonly sequence: number;
  readonly millis: number;
}

const target = '10.37.0.2';

export class Answers {
  readonly #seen: Answer[] = [];
  readonly #changed = new EventEmitter();
  /** Highest number of a request that is known to be sent. */
  #sent = 0;
  /** Looks since the last answer. */
  #silent = 0;

  get sent(): number {
    return this.#sent;
  }

  get last(): Answer {
    return this.#seen.at(-1) ?? { sequence: 0, millis: 0 };
  }

  answered(sequence: number, millis: number): void {
    this.#seen.push({ sequence, millis });
    this.#looked(sequence, 0);
  }

  /** Another look, and the request of this number has no answer yet. */
  missing(sequence: number): void {
    this.#looked(sequence, this.#silent + 1);
  }

  #looked(sequence: number, silent: number): void {
    this.#sent = Math.max(this.#sent, sequence);
    this.#silent = silent;
    this.#changed.emit('change');
  }

  /** Resolves when so many looks in a row have brought no answer: what was still under way has arrived. */
  async silence(looks: number): Promise<void> {
    while (this.#silent < looks) await once(this.#changed, 'change');
  }

  /** The first answer to a request sent after that of this number. */
  async after(sequence: number): Promise<Answer> {
    for (;;) {
      const found = this.#seen.find((answer) => answer.sequence > sequence);
      if (found !== undefined) return found;
      await once(this.#changed, 'change');
    }
  }
}

export interface Pinging {
  readonly answers: Answers;
  /** Whatever is to run for the ping to go on; the dataplane of the first pod among it. */
  readonly children: readonly Child[];
  /** Arguments of the dataplane of the second pod. */
  readonly peerArguments: readonly string[];
}

/** Of `ping -D -O`: `[1700000000.123456] 64 bytes from …: icmp_seq=5 …`, `[…] no answer yet for icmp_seq=6`. */
export function readPingLine(line: string, answers: Answers): void {
  const match = /^\[(\d+\.\d+)\] (.*)icmp_seq=(\d+)/.exec(line);
  if (match === null) return;
  const [, seconds, text = '', sequence] = match;
  if (text.includes('bytes from')) answers.answered(Number(sequence), Number(seconds) * 1000);
  else answers.missing(Number(sequence));
}

/** Starts the first pod's side; the second pod's dataplane is the caller's. */
export function startPing({ pods, withoutTap }: Stage): Pinging {
  const [source] = pods;
  const answers = new Answers();
  if (withoutTap === undefined) {
    const dataplane = source.dataplane(['--engine', 'tap']);
    const ping = new Child('ping', source.inNetwork('ping', '-n', '-D', '-O', '-i', '0.05', target), {
      onLine: (line) => readPingLine(line, answers),
    });
    return { answers, children: [dataplane, ping], peerArguments: ['--engine', 'tap'] };
  }
  // The engine counts: a look that finds more answers than the one before has one to the newest request.
  let answered = 0;
  const onLine = (line: string): void => {
    const { engine } = JSON.parse(line) as { engine: Readonly<Record<string, number>> };
    const { sent = 0, received = 0 } = engine;
    if (received > answered) answers.answered(sent, Date.now());
    else answers.missing(sent);
    answered = received;
  };
  const timing = ['--interval-millis', '20', '--report-millis', '20'];
  const dataplane = source.dataplane(
    ['--engine', 'ping', '--count', '65535', ...timing, '--target', target],
    { onLine },
  );
  return { answers, children: [dataplane], peerArguments: ['--engine', 'responder'] };
}
