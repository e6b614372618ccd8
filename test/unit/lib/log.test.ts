// SPDX-License-Identifier: Apache-2.0

import { afterEach, expect, test } from '@jest/globals';
import { createLogger } from '../../../lib/log.ts';

const before = process.env['USVHOST_LOG'];

afterEach(() => {
  if (before === undefined) delete process.env['USVHOST_LOG'];
  else process.env['USVHOST_LOG'] = before;
});

function linesAt(level: string | undefined): Record<string, unknown>[] {
  if (level === undefined) delete process.env['USVHOST_LOG'];
  else process.env['USVHOST_LOG'] = level;
  const lines: string[] = [];
  const log = createLogger('switch', { write: (line) => void lines.push(line) });
  log.debug('small');
  log.info({ port: 'p1' }, 'usual');
  log.error('large');
  return lines.map((line) => JSON.parse(line));
}

test('each line is JSON with the role and the fields', () => {
  expect(linesAt('info')[0]).toMatchObject({ role: 'switch', port: 'p1', msg: 'usual', level: 30 });
});

test.each([
  [undefined, ['usual', 'large']],
  ['debug', ['small', 'usual', 'large']],
  ['error', ['large']],
  ['silent', []],
  ['louder', ['usual', 'large']],
])('USVHOST_LOG=%s', (level, messages) => {
  expect(linesAt(level).map(({ msg }) => msg)).toEqual(messages);
});
