// SPDX-License-Identifier: Apache-2.0
//
// The list of CPUs that several commands take.

import { usvError } from '../lib/errors.ts';

/** `1,3` as [1, 3]. Throws USV_USAGE. */
export function parseCpus(text: string): number[] {
  const cpus = text.split(',').map((part) => (/^\d{1,6}$/.test(part) ? Number(part) : Number.NaN));
  if (cpus.some(Number.isNaN) || new Set(cpus).size !== cpus.length) {
    throw usvError('USV_USAGE', {
      what: '--cpus',
      expected: 'different CPU numbers as 1,2',
      got: JSON.stringify(text),
    });
  }
  return cpus;
}
