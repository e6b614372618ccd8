// SPDX-License-Identifier: Apache-2.0
//
// Some of the cases: `--where size=64,imix` leaves out those that have the parameter with another value. A case without
// it stays.

import { usvError } from '../lib/errors.ts';
import type { BenchCase } from './case.ts';

/**
 * `conditions`: each `NAME=VALUE` or `NAME=VALUE,VALUE`, values as the table prints them.
 * @throws UsvhostError USV_USAGE for one that is not of this form, names a parameter that none of these cases has, or leaves no case
 */
export function selectCases(cases: readonly BenchCase[], conditions: readonly string[]): BenchCase[] {
  const left = conditions.reduce((some, condition) => meeting(some, condition), [...cases]);
  if (left.length > 0) return left;
  throw usvError('USV_USAGE', {
    what: '--where',
    expected: 'conditions that a case meets',
    got: conditions.join(' and '),
  });
}

function meeting(cases: readonly BenchCase[], condition: string): BenchCase[] {
  const end = condition.indexOf('=');
  const name = condition.slice(0, Math.max(end, 0));
  const wanted = condition.slice(end + 1).split(',');
  const known = [...new Set(cases.flatMap(({ params }) => Object.keys(params)))].toSorted();
  if (!known.includes(name)) {
    const expected = `NAME=VALUE with one of the parameters ${known.join(', ')}`;
    throw usvError('USV_USAGE', { what: '--where', expected, got: JSON.stringify(condition) });
  }
  return cases.filter(({ params }) => params[name] === undefined || wanted.includes(String(params[name])));
}
