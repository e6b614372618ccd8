// SPDX-License-Identifier: Apache-2.0
//
// The switch under attack with its native part under AddressSanitizer and UndefinedBehaviorSanitizer: what is built for it, what
// its process is given, and the report of a finding.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { usvFailure } from '../lib/errors.ts';
import { buildDirectory, buildNative } from '../scripts/build-native.ts';
import { run } from '../scripts/main.ts';

export const sanitizedAddon = join(buildDirectory('asan'), 'usvhost.node');

/** How much freed memory is kept from being used again, in MiB. AddressSanitizer's default of 256 could not be told from a leak. */
const quarantineMib = 8;

/** How a report begins on standard error, which is where both have one way: gcc's UBSan takes no `log_path` beside ASan. */
const reportBegins = /ERROR: AddressSanitizer|AddressSanitizer:DEADLYSIGNAL|runtime error: /;

/** Of lines of standard error, those of a sanitizer: from the first word of it on all but the log's, which is one of JSON objects. */
export class ReportLines {
  readonly #lines: string[] = [];

  take(line: string): void {
    if (line.startsWith('{')) return;
    if (this.#lines.length > 0 || reportBegins.test(line)) this.#lines.push(line);
  }

  /** Empty when there was nothing. */
  get text(): string {
    return this.#lines.join('\n');
  }
}

/** Where the addon's own run-time library lies, which has to be loaded before everything else. */
async function runtimeLibrary(): Promise<string> {
  const { output } = await run('ldd', [sanitizedAddon]);
  const path = /^\s*libasan\.so\S* => (\/\S+)/m.exec(output)?.[1];
  if (path !== undefined) return path;
  const what = `${sanitizedAddon} does not name gcc's AddressSanitizer library; is CXX another compiler?`;
  throw usvFailure('USV_NATIVE_BUILD', what);
}

export class Sanitizer {
  /** For `NODE_OPTIONS` of the switch. */
  readonly nodeOption = `--import=${pathToFileURL(join(import.meta.dirname, 'sanitized-addon.ts')).href}`;
  /** For its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** What it has said. */
  readonly report = new ReportLines();

  private constructor(library: string) {
    this.env = {
      LD_PRELOAD: library,
      // Node itself keeps what it has allocated until it ends.
      ASAN_OPTIONS: `detect_leaks=0:strict_string_checks=1:quarantine_size_mb=${quarantineMib}`,
      UBSAN_OPTIONS: 'print_stacktrace=1',
    };
  }

  /**
   * Builds the addon; the first time that takes minutes.
   * @throws UsvhostError USV_PEER_MISSING, USV_NATIVE_BUILD
   */
  static async prepare(): Promise<Sanitizer> {
    await buildNative('asan', { targets: ['addon'] });
    return new Sanitizer(await runtimeLibrary());
  }

  /** @throws UsvhostError USV_INTERNAL when that process does not run the sanitized addon, and would find nothing. */
  check(pid: number): void {
    if (!readFileSync(`/proc/${pid}/maps`, 'utf8').includes(` ${sanitizedAddon}\n`))
      throw usvFailure('USV_INTERNAL', `the switch has not loaded ${sanitizedAddon}`);
  }
}
