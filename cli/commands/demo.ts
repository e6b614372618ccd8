// SPDX-License-Identifier: Apache-2.0
//
// `usvhost demo`: two pods joined by the switch on this machine, as root or without, leaving nothing behind. The command
// runs twice: outside it builds walls and looks for leftovers, inside (--inside) it tells the story.

import { writeSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { usvFailure } from '../../lib/errors.ts';
import { stopSignal } from '../stop-signal.ts';

const examples = `
Examples:
  npm run demo                     builds what is native, then ping and forwarding, three seconds a size
  npm run demo -- --json           the same, with one JSON document as last line of standard output
  npm run demo -- --seconds 0.5    shorter

Needs root or unprivileged user namespaces. Through the kernel's taps (real ping) where /dev/net/tun can be used, else
from packet engine to packet engine. Ctrl-C ends it at any time; nothing is left behind.`;

const interruptedStatus = 130;

interface Flags {
  readonly json?: boolean;
  readonly seconds: number;
  readonly inside?: string;
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (seconds > 0 && seconds <= 60) return seconds;
  throw usvFailure('USV_USAGE', `expected 0.1 to 60 seconds for --seconds, got ${JSON.stringify(text)}`);
}

export function register(program: Command): void {
  program
    .command('demo')
    .description('join two pods on this machine: ping, then forwarding with figures')
    .option('--json', 'print one JSON document last')
    .option('--seconds <n>', 'seconds of forwarding for each frame size', parseSeconds, 3)
    .addOption(new Option('--inside <directory>').hideHelp())
    .addHelpText('after', examples)
    .action((flags: Flags) => (flags.inside === undefined ? outside(flags) : inside(flags, flags.inside)));
}

async function outside({ json = false, seconds }: Flags): Promise<void> {
  const [{ runInSandbox }, { usvhostCommand }, { insideDocumentSchema }] = await Promise.all([
    import('../demo/sandbox.ts'),
    import('../demo/node.ts'),
    import('../demo/document.ts'),
  ]);
  const stop = stopSignal('SIGHUP');
  const args = ['--seconds', String(seconds), ...(json ? ['--json'] : [])];
  const { code, document, leftovers } = await runInSandbox(
    (root) => usvhostCommand('demo', '--inside', root, ...args),
    stop,
  );
  if (leftovers.length > 0) {
    throw usvFailure('USV_INTERNAL', `expected nothing of the demo to be left, got ${leftovers.join('; ')}`);
  }
  if (stop.aborted) process.exitCode = interruptedStatus;
  else if (code !== 0 || document === '') process.exitCode = code === 0 ? 1 : code;
  else {
    const { table, ...result } = insideDocumentSchema.parse(JSON.parse(document));
    process.stdout.write(json ? `${JSON.stringify({ ...result, leftovers })}\n` : `\n${table}\n`);
  }
}

async function inside({ seconds, json = false }: Flags, root: string): Promise<void> {
  const [{ runDemo }, { table }] = await Promise.all([import('../demo/run.ts'), import('../demo/table.ts')]);
  const stop = new AbortController();
  // Whoever started us holds the other end of standard input; when it closes, whatever the reason, we stop.
  process.stdin.on('end', () => stop.abort()).resume();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  const out = json ? process.stderr : process.stdout;
  const live = out.isTTY;
  const say = (line: string): void => void out.write(`${live ? '\r\x1b[K' : ''}${line}\n`);
  const onProgress = (progress: { size: number; mpps: number; gbps: number }): void => {
    const line = `            ${progress.size} B  ${progress.mpps.toFixed(2)} Mpps  ${progress.gbps.toFixed(2)} Gb/s`;
    if (live) out.write(`\r\x1b[K${line}`);
    else out.write(`${line}\n`);
  };
  try {
    const result = await runDemo({ root, seconds, say, onProgress }, stop.signal);
    if (live) out.write('\r\x1b[K');
    writeSync(3, JSON.stringify({ ...result, table: table(result) }));
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    say('interrupted, everything is undone');
    // At once: what the story had just begun when it was interrupted ends with this process, the first of its namespace.
    process.exit(interruptedStatus);
  } finally {
    process.stdin.destroy();
  }
}
