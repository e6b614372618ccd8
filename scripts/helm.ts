// SPDX-License-Identifier: Apache-2.0
//
// Helm, built once from its Go module into the user's cache, and how the chart is rendered with it. It must reach no cluster.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { usvFailure } from '../lib/errors.ts';
import { projectRoot } from './main.ts';

const version = 'v4.3.1';
const module = `helm.sh/helm/v4/cmd/helm@${version}`;

/** The folder of the chart. */
export const chart = join(projectRoot, 'charts/usvhost');

/** Path of the program. The first call on a machine downloads and compiles for minutes. @throws UsvhostError USV_IO */
export async function buildHelm(): Promise<string> {
  const given = process.env['XDG_CACHE_HOME'] ?? '';
  const cache = given === '' ? join(homedir(), '.cache') : given;
  const directory = join(cache, 'usvhost/bin', `helm-${version}`);
  const file = join(directory, 'helm');
  if (existsSync(file)) return file;
  mkdirSync(directory, { recursive: true });
  // Under its name by rename: another run may be building too, and none may see half a file.
  const own = mkdtempSync(join(directory, 'build-'));
  try {
    const flags = `${process.env['GOFLAGS'] ?? ''} -buildvcs=false -trimpath`.trim();
    const env = { ...process.env, GOBIN: own, CGO_ENABLED: '0', GOFLAGS: flags, GOWORK: 'off' };
    const { code, errors } = await capture('go', ['install', '-ldflags=-s -w', module], env);
    if (code !== 0) throw usvFailure('USV_IO', `go install ${module} ended with status ${code}:\n${errors}`);
    renameSync(join(own, 'helm'), file);
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
  return file;
}

interface Captured {
  readonly code: number;
  readonly output: string;
  readonly errors: string;
}

/** Runs helm; its cache and configuration are nobody's, and so is the cluster. */
export async function helm(...args: readonly string[]): Promise<Captured> {
  const nowhere = join(projectRoot, 'build/helm');
  const env = {
    ...process.env,
    HELM_CACHE_HOME: nowhere,
    HELM_CONFIG_HOME: nowhere,
    HELM_DATA_HOME: nowhere,
    KUBECONFIG: '/dev/null',
  };
  return capture(await buildHelm(), args, env);
}

/** The chart's manifests as text, with `args` of `helm template`. @throws UsvhostError USV_IO with what helm says */
export async function render(...args: readonly string[]): Promise<string> {
  const { code, output, errors } = await helm('template', 'usvhost', chart, '--namespace=usvhost', ...args);
  if (code !== 0) throw usvFailure('USV_IO', `helm template ${args.join(' ')}:\n${errors}`);
  return output;
}

async function capture(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Captured> {
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: child.exitCode ?? 128, output, errors };
}
