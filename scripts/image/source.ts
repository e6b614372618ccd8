// SPDX-License-Identifier: Apache-2.0
//
// What the image is made from: the commit and its time, which every file of the image has. Never the time of the build.

import { usvError } from '../../lib/errors.ts';
import { run } from '../main.ts';
import { findProgram } from '../packages.ts';

export interface Source {
  /** Seconds of Unix time. */
  readonly created: number;
  /** Commit, with `-dirty` when files differ from it; absent outside of a repository. */
  readonly revision?: string;
}

/** SOURCE_DATE_EPOCH and REVISION go before what git says. @throws UsvhostError USV_CONFIG */
export async function readSource(environment: NodeJS.ProcessEnv = process.env): Promise<Source> {
  const { created = '0', revision } = await askGit();
  const named = environment['REVISION'] || revision;
  return {
    created: secondsOf(environment['SOURCE_DATE_EPOCH'] || created),
    ...(named === undefined ? {} : { revision: named }),
  };
}

/** Nothing in a tree without a repository or on a machine without git. */
async function askGit(): Promise<{ readonly created?: string; readonly revision?: string }> {
  if (findProgram('git') === undefined) return {};
  const commit = await run('git', ['log', '-1', '--format=%H %ct']);
  if (commit.code !== 0) return {};
  const [hash = '', created = ''] = commit.output.trim().split(' ');
  const changes = await run('git', ['status', '--porcelain']);
  return { created, revision: changes.output === '' ? hash : `${hash}-dirty` };
}

function secondsOf(text: string): number {
  if (/^\d{1,11}$/.test(text)) return Number(text);
  throw usvError('USV_CONFIG', {
    what: 'SOURCE_DATE_EPOCH',
    expected: 'seconds since 1970',
    got: JSON.stringify(text),
  });
}
