// SPDX-License-Identifier: Apache-2.0
//
// The command line `usvhost`: registers every command and turns what they throw into one line and an exit status.
// Command files load the rest only when they run, so that --help needs no compiler and starts fast.

import { Command, CommanderError } from 'commander';
import { errnoOf } from '../lib/errno.ts';
import { usvFailure } from '../lib/errors.ts';
import { reportOf } from '../lib/report.ts';
import description from '../package.json' with { type: 'json' };
import * as agent from './commands/agent.ts';
import * as check from './commands/check.ts';
import * as dataplane from './commands/dataplane.ts';
import * as demo from './commands/demo.ts';
import * as doctor from './commands/doctor.ts';
import * as install from './commands/install.ts';
import * as ports from './commands/ports.ts';
import * as switchCommand from './commands/switch.ts';
import * as webhook from './commands/webhook.ts';

const commands = [switchCommand, agent, dataplane, install, ports, doctor, check, webhook, demo];

function createProgram(): Command {
  const program = new Command('usvhost')
    .description(description.description)
    .version(description.version)
    // Set before the commands are registered, since they inherit both.
    .exitOverride()
    .configureOutput({ outputError: () => undefined });
  for (const command of commands) command.register(program);
  return program;
}

/** Runs one command line (without program names) to its end; the result is the exit status. */
async function runCommandLine(args: readonly string[]): Promise<number> {
  try {
    await createProgram().parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0; // --help and --version
    // Without a command the help text has been printed already.
    if (error.code === 'commander.help') return 2;
    throw usvFailure('USV_USAGE', error.message.replace(/^error: /, ''), { cause: error });
  }
}

// A reader such as `head` that has enough is no failure of ours; 141 is what a shell shows for SIGPIPE.
process.stdout.on('error', (error) => {
  if (errnoOf(error) !== 'EPIPE') throw error;
  process.exit(141);
});

try {
  const status = await runCommandLine(process.argv.slice(2));
  // A command that ran to its end may have set a status of its own (an interrupted demo).
  if (status !== 0) process.exitCode = status;
} catch (error) {
  const { text, exitCode } = reportOf(error);
  process.stderr.write(text);
  process.exitCode = exitCode;
}
