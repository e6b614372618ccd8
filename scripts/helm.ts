// SPDX-License-Identifier: Apache-2.0
//
// Helm, and how the chart is rendered with it. It must reach no cluster.

import { join } from 'node:path';
import { usvFailure } from '../lib/errors.ts';
import { type Captured, capture } from './capture.ts';
import { goProgram } from './go-program.ts';
import { projectRoot } from './main.ts';
import type { Place } from './place.ts';

/** The folder of the chart. */
export const chart = join(projectRoot, 'charts/usvhost');

/** Path of the program. The first call on a machine builds it. @throws UsvhostError USV_IO */
export async function buildHelm(place: Place = 'foreground'): Promise<string> {
  return goProgram('helm.sh/helm/v4/cmd/helm', 'v4.3.1', place);
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
