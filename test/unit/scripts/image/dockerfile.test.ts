// SPDX-License-Identifier: Apache-2.0
//
// The Dockerfile repeats what npm run image writes into the image's configuration; the two must say the same.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { describeImage, imageConfig } from '../../../../scripts/image/config.ts';
import { projectRoot } from '../../../../scripts/main.ts';

const lines = readFileSync(join(projectRoot, 'Dockerfile'), 'utf8').split('\n');

/** What follows an instruction, once for each time it is there. */
function said(instruction: string): string[] {
  return lines
    .filter((line) => line.startsWith(`${instruction} `))
    .map((line) => line.slice(instruction.length + 1));
}

/** `KEY=value` and `KEY="value"` as an object. */
function pairs(instruction: string): Record<string, string> {
  return Object.fromEntries(
    said(instruction).map((line) => {
      const [, key = '', value = ''] = /^([^=]+)=(.*)$/.exec(line) ?? [];
      return [key, value.replace(/^"(.*)"$/, '$1')];
    }),
  );
}

test('user, program and environment are those of npm run image', () => {
  expect(pairs('ENV')).toEqual(imageConfig.env);
  expect(said('USER')).toEqual([imageConfig.user]);
  expect(said('ENTRYPOINT').map((line) => JSON.parse(line))).toEqual([imageConfig.entrypoint]);
});

test('so are the labels that it has', () => {
  const { labels } = describeImage('a:1', [], { created: 0, revision: '${REVISION}' });
  expect(labels).toMatchObject(pairs('LABEL'));
});

test('nothing of the base but what is laid out gets into the image', () => {
  expect(said('FROM').at(-1)).toBe('scratch');
  expect(said('COPY').at(-1)).toBe('--from=build /image/ /');
});
