// SPDX-License-Identifier: Apache-2.0
//
// An agent as a process of its own, to be killed by a test: `node agent-process.ts ROOT [STEPS [SECONDS [CONFIG]]]`; one
// line when it listens. It kills itself before it asks a shim for the step of the number STEPS, counted from 0, and reconciles every SECONDS. CONFIG is more of its configuration, as JSON.

import { pino } from 'pino';
import { startAgent } from '../../../agent/daemon.ts';
import type { Steps } from '../../../cni/session.ts';
import { agentConfig } from './agent-config.ts';

const [, , root = '', last = 'Infinity', seconds = '60', more = '{}'] = process.argv;
let left = Number(last);

const dying = (steps: Steps): Steps =>
  new Proxy(steps, {
    get: (target, name) => {
      const step: unknown = Reflect.get(target, name);
      if (typeof step !== 'function') return step;
      return (...args: unknown[]): unknown => {
        if (left-- === 0) process.kill(process.pid, 'SIGKILL');
        return Reflect.apply(step, target, args);
      };
    },
  });

const log = pino({ level: 'silent' });
await startAgent(agentConfig(root, { reconcileSeconds: Number(seconds), ...(JSON.parse(more) as object) }), {
  log,
  bootId: 'boot-1',
  hands: dying,
});
process.stdout.write('listening\n');
