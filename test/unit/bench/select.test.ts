// SPDX-License-Identifier: Apache-2.0

import { describe, expect, test } from '@jest/globals';
import type { BenchCase } from '../../../bench/case.ts';
import { selectCases } from '../../../bench/select.ts';

const made = (name: string, params: BenchCase['params']): BenchCase => ({
  name,
  params,
  metrics: [],
  candidates: [],
});
const small = made('loop', { size: 64, ring: 'split' });
const large = made('loop', { size: 1500, ring: 'packed' });
const other = made('idle', {});
const cases = [small, large, other];

describe('selection of cases', () => {
  test('without conditions all are left', () => expect(selectCases(cases, [])).toEqual(cases));

  test('a case with another value is left out, one without the parameter stays', () => {
    expect(selectCases(cases, ['size=64'])).toEqual([small, other]);
    expect(selectCases(cases, ['size=64,1500'])).toEqual(cases);
    expect(selectCases([small, large], ['size=1500', 'ring=packed'])).toEqual([large]);
  });

  test.each([[['size']], [['=64']], [['']], [['colour=red']], [['size=64', 'colour=red']]])(
    '%j is refused with the parameters that there are',
    (conditions) => {
      expect(() => selectCases(cases, conditions)).toThrow(/USV_USAGE.*ring, size/);
    },
  );

  test('so are conditions that no case meets', () => {
    expect(() => selectCases([small, large], ['size=64', 'ring=packed'])).toThrow(/size=64 and ring=packed/);
  });
});
