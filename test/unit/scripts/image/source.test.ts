// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { readSource } from '../../../../scripts/image/source.ts';

test('what the environment says goes before what git says', async () => {
  const source = await readSource({ SOURCE_DATE_EPOCH: '1700000000', REVISION: 'abc' });
  expect(source).toEqual({ created: 1_700_000_000, revision: 'abc' });
});

test('an empty variable, as a build argument without a value is one, says nothing', async () => {
  const { created } = await readSource({ SOURCE_DATE_EPOCH: '', REVISION: '' });
  expect(created).toBeGreaterThanOrEqual(0);
});

test.each(['yesterday', '-1', '1.5'])('SOURCE_DATE_EPOCH=%s is refused by name', async (text) => {
  await expect(readSource({ SOURCE_DATE_EPOCH: text })).rejects.toMatchObject({
    code: 'USV_CONFIG',
    message: expect.stringContaining('SOURCE_DATE_EPOCH'),
  });
});
