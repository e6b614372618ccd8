// SPDX-License-Identifier: Apache-2.0
//
// What the reconnect test runs inside the walls: `reconnect-story.ts DIRECTORY [engine]`. Two pods ping without end while a dataplane
// and then the switch are killed; what was seen goes to descriptor 3 as JSON. It judges nothing.

import { writeSync } from 'node:fs';
import type { Child } from '../../cli/demo/process.ts';
import { type Stage, setStage } from '../../cli/demo/stage.ts';
import { reportOf } from '../../lib/report.ts';
import { type Answers, startPing } from './answers.ts';

export interface Outage {
  /** Highest number sent when the killed process had ended and no answer came any more. */
  readonly sentBefore: number;
  /** Number of the first answer to a later request. */
  readonly firstAfter: number;
  /** From the last answer before to the first after. */
  readonly millis: number;
}

export interface Story {
  readonly by: 'tap' | 'engine';
  readonly dataplane: Outage;
  readonly switch: Outage;
  /** Pods whose dataplane was the same process after the restart of the switch. */
  readonly sameDataplanes: boolean;
  /** State of each port at the end, as the switch says. */
  readonly ports: readonly string[];
}

/** `kill` resolves when the process has ended, `restart` when there is a new one. */
async function outage(
  answers: Answers,
  { kill, restart }: { readonly kill: () => Promise<void>; readonly restart: () => Promise<void> },
): Promise<Outage> {
  await kill();
  await answers.silence(5);
  const { sent: sentBefore, last } = answers;
  await restart();
  const first = await answers.after(sentBefore);
  // It goes on, and was not one answer that had been under way.
  await answers.after(first.sequence + 5);
  return { sentBefore, firstAfter: first.sequence, millis: Math.round(first.millis - last.millis) };
}

async function tell(stage: Stage): Promise<Story> {
  const { node, pods, withoutTap } = stage;
  const [source, peer] = pods;
  const { answers, children, peerArguments } = startPing(stage);
  let dataplane: Child = peer.dataplane(peerArguments);
  const alive = async <Value>(promise: Promise<Value>): Promise<Value> => {
    let result = promise;
    for (const child of [...children, dataplane]) result = child.whileRunning(result);
    return result;
  };
  await alive(answers.after(5));

  const ofDataplane = await outage(answers, {
    kill: async () => {
      await dataplane.stop('SIGKILL');
    },
    restart: async () => {
      dataplane = peer.dataplane(peerArguments);
    },
  });
  const ofSwitch = await alive(
    outage(answers, { kill: () => node.killSwitch(), restart: () => node.startSwitch() }),
  );
  const sameDataplanes = [...children, dataplane].every((child) => child.running);
  await Promise.all([source, peer].map((pod) => node.portUp(pod.port)));
  const ports = [...(await node.ports()).values()].map(({ state }) => state);
  for (const child of [...children, dataplane]) await child.stop();
  const by = withoutTap === undefined ? 'tap' : 'engine';
  return { by, dataplane: ofDataplane, switch: ofSwitch, sameDataplanes, ports };
}

const [, , root = '', by] = process.argv;
const undo: (() => Promise<void>)[] = [];
// Whoever started us is gone or wants us to stop; what is inside these walls ends with us.
process.stdin.on('end', () => process.exit(130)).resume();
try {
  const stage = await setStage({
    root,
    say: () => undefined,
    ...(by === 'engine' ? { withoutTap: 'the test wants none' } : {}),
    onUndo: (step) => undo.push(step),
  });
  writeSync(3, JSON.stringify(await tell(stage)));
} catch (error) {
  process.stderr.write(reportOf(error).text);
  process.exitCode = 1;
} finally {
  for (const step of undo.reverse()) await step();
  process.stdin.destroy();
}
