// SPDX-License-Identifier: Apache-2.0
//
// Programs that are Go modules and no Debian packages, built once into the user's cache, each by its version.

import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { usvFailure } from '../lib/errors.ts';
import { capture } from './capture.ts';
import { commandIn, type Place } from './place.ts';

/**
 * Path of the program whose main package is `path`. The first call on a machine downloads and compiles for minutes.
 * @throws UsvhostError USV_IO
 */
export async function goProgram(path: string, version: string, place: Place = 'foreground'): Promise<string> {
  const name = basename(path);
  const given = process.env['XDG_CACHE_HOME'] ?? '';
  const cache = given === '' ? join(homedir(), '.cache') : given;
  const directory = join(cache, 'usvhost/bin', `${name}-${version}`);
  const file = join(directory, name);
  if (existsSync(file)) return file;
  mkdirSync(directory, { recursive: true });
  // Under its name by rename: another run may be building too, and none may see half a file.
  const own = mkdtempSync(join(directory, 'build-'));
  try {
    const flags = `${process.env['GOFLAGS'] ?? ''} -buildvcs=false -trimpath`.trim();
    const env = { ...process.env, GOBIN: own, CGO_ENABLED: '0', GOFLAGS: flags, GOWORK: 'off' };
    const module = `${path}@${version}`;
    const { command, args } = commandIn(place, 'go', ['install', '-ldflags=-s -w', module]);
    const { code, errors } = await capture(command, args, env);
    if (code !== 0) throw usvFailure('USV_IO', `go install ${module} ended with status ${code}:\n${errors}`);
    renameSync(join(own, name), file);
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
  return file;
}
