// SPDX-License-Identifier: Apache-2.0
//
// An agent as a process of its own, to be killed by a test: `node agent-process.ts ROOT`; one line when it listens.

import { pino } from 'pino';
import { startAgent } from '../../../agent/daemon.ts';
import { agentConfig } from './agent-config.ts';

const [, , root = ''] = process.argv;
await startAgent(agentConfig(root), { log: pino({ level: 'silent' }), bootId: 'boot-1' });
process.stdout.write('listening\n');
