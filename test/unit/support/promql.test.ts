// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { readPromql } from '../../support/promql.ts';

test('tells metrics, the labels in their braces, and those of a grouping', () => {
  const expression = `sum by (node, reason) (rate(a_total{job="x", reason!~"b|c{}\\"d"}[5m]))
    / on (node) group_left () sum(b offset 15m) > 0.01 or min(c) - time() < 14 * 86400`;
  expect(readPromql(expression)).toEqual({
    selectors: [
      { metric: 'a_total', labels: ['job', 'reason'] },
      { metric: 'b', labels: [] },
      { metric: 'c', labels: [] },
    ],
    grouped: ['node', 'reason', 'node'],
  });
});

test.each(['a{b}', 'a{b="c"', 'a{b="c" d="e"}', 'a # b', 'a @ 5'])('%s is not understood', (expression) => {
  expect(() => readPromql(expression)).toThrow();
});
