// SPDX-License-Identifier: Apache-2.0
//
// Go as a compiler of public modules: the module file that joins them, and builds with a sign of life. The machine's own
// build and module caches are used, so that what is compiled once stays compiled.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import * as z from 'zod';
import { usvFailure } from '../../lib/errors.ts';
import { versions } from './versions.ts';

export type Say = (line: string) => void;

const keptLines = 20;
const signOfLifeMillis = 30_000;

interface GoOptions {
  /** The directory of the module. */
  readonly in: string;
  /** Told now and then how many packages are compiled, when there is one. */
  readonly say?: Say;
}

/**
 * Runs go and returns its standard output.
 * @throws UsvhostError USV_IO with its last words
 */
export async function go(args: readonly string[], options: GoOptions): Promise<string> {
  // The user's own flags stay, such as how many compilers run at once (-p).
  const flags = `${process.env['GOFLAGS'] ?? ''} -buildvcs=false -trimpath`.trim();
  const child = spawn('go', ['-C', options.in, ...args], {
    env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: flags, GOWORK: 'off' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const words: string[] = [];
  let compiled = 0;
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (!line.startsWith('go: downloading')) compiled++;
    words.push(line);
    if (words.length > keptLines) words.shift();
  });
  const tell = (): void => {
    if (compiled > 0) options.say?.(`… ${compiled} packages compiled`);
  };
  const signOfLife = setInterval(tell, signOfLifeMillis);
  try {
    const [output] = await Promise.all([text(child.stdout), once(child, 'close')]);
    if (child.exitCode !== 0) {
      throw usvFailure('USV_IO', `go ${args[0]} ended with status ${child.exitCode}:\n${words.join('\n')}`);
    }
    return output;
  } finally {
    clearInterval(signOfLife);
  }
}

const downloaded = z.object({ Dir: z.string(), GoMod: z.string() });

/** Fetches one module by its exact version, outside of any module. */
export async function download(module: string, options: GoOptions): Promise<{ Dir: string; GoMod: string }> {
  return downloaded.parse(JSON.parse(await go(['mod', 'download', '-json', module], options)));
}

/**
 * The module file of our one module. Kubernetes names its staging modules by directories of its own tree, which only
 * its own module sees; their published twins take the place of these. `go` and `godebug` count only in the main module, so they are
 * taken over from Kubernetes.
 */
export function moduleFile(kubernetesModFile: string): string {
  const lines = kubernetesModFile.split('\n');
  const staging = `v0.${versions.kubernetes.slice('v1.'.length)}`;
  const replaced = lines
    .map((line) => /^\s*(k8s\.io\/\S+) => \.\/staging\//.exec(line)?.[1])
    .filter((module) => module !== undefined);
  return [
    'module usvhost.io/test-cluster',
    ...lines.filter((line) => /^(go|godebug) [^(]/.test(line)),
    `require k8s.io/kubernetes ${versions.kubernetes}`,
    `require go.etcd.io/etcd/server/v3 ${versions.etcd}`,
    `require github.com/containerd/containerd/v2 ${versions.containerd}`,
    `require github.com/containernetworking/plugins ${versions.cniPlugins}`,
    ...replaced.map((module) => `replace ${module} => ${module} ${staging}`),
    '',
  ].join('\n');
}
