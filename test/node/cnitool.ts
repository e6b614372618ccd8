// SPDX-License-Identifier: Apache-2.0
//
// cnitool, the command line of the CNI project's own library: built once from its Go module into the user's cache, then
// started in a node's runtime namespaces. It must write nothing on the machine but that cache.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { usvFailure } from '../../lib/errors.ts';

const version = 'v1.3.0';
const module = `github.com/containernetworking/cni/cnitool@${version}`;

/** Path of the program. The first call on a machine downloads and compiles. @throws UsvhostError USV_IO */
export async function buildCnitool(): Promise<string> {
  const given = process.env['XDG_CACHE_HOME'] ?? '';
  const cache = given === '' ? join(homedir(), '.cache') : given;
  const directory = join(cache, 'usvhost/bin', version);
  const file = join(directory, 'cnitool');
  if (existsSync(file)) return file;
  mkdirSync(directory, { recursive: true });
  // Under its name by rename: another run may be building too, and none may see half a file.
  const own = mkdtempSync(join(directory, 'build-'));
  try {
    await goInstall(own);
    renameSync(join(own, 'cnitool'), file);
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
  return file;
}

async function goInstall(directory: string): Promise<void> {
  const env = { ...process.env, GOBIN: directory, CGO_ENABLED: '0', GOWORK: 'off' };
  const child = spawn('go', ['install', module], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  const [errors] = await Promise.all([text(child.stderr), once(child, 'close')]);
  if (child.exitCode === 0) return;
  throw usvFailure('USV_IO', `go install ${module} ended with status ${child.exitCode}:\n${errors}`);
}
