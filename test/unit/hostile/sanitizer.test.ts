// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { ReportLines } from '../../../hostile/sanitizer.ts';

const told = (lines: readonly string[]): string => {
  const report = new ReportLines();
  for (const line of lines) report.take(line);
  return report.text;
};

test('a log and words of Node are no report', () => {
  expect(told(['{"level":30,"msg":"ERROR: AddressSanitizer"}', '(node:1) Warning: something', ''])).toBe('');
});

test.each([
  '==7==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x1',
  'AddressSanitizer:DEADLYSIGNAL',
  '../a.cc:1:2: runtime error: shift exponent 44 is too large',
])('%s begins a report, which goes on to the end without the lines of the log', (first) => {
  const log = '{"level":30,"msg":"port state"}';
  expect(told(['', first, '    #0 0x1 in f a.cc:1', log, 'SUMMARY'])).toBe(
    [first, '    #0 0x1 in f a.cc:1', 'SUMMARY'].join('\n'),
  );
});
