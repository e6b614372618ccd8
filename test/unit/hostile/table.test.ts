// SPDX-License-Identifier: Apache-2.0
//
// The table of cases is whole: enough of them, each with a name of its own, in a class that is described and of use.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { classOf, type HostileCase } from '../../../hostile/case.ts';
import { classes } from '../../../hostile/classes.ts';
import { goodFrontEnd } from '../../../hostile/front-end.ts';
import { table } from '../../../hostile/table.ts';
import { isErrorCode } from '../../../lib/errors.ts';
import { projectRoot } from '../../../scripts/main.ts';

const page = (name: string): string => readFileSync(join(projectRoot, 'docs', name), 'utf8');

test('there are two hundred cases that need nothing, and more', () => {
  const always = table.filter(
    ({ needs, needsProtocol }) => needs === undefined && needsProtocol === undefined,
  );
  expect(always.length).toBeGreaterThanOrEqual(200);
});

test('each has a name of its own', () => {
  expect(new Set(table.map(({ id }) => id)).size).toBe(table.length);
  for (const { id, about } of table) {
    expect(id).toMatch(/^[a-z0-9-]+\/[a-z0-9-]+$/);
    expect(about).not.toBe('');
    expect(about).not.toMatch(/[\n|]/);
  }
});

test('no two do the same', () => {
  const scripts = new Map<string, string>();
  for (const { id, script } of table) {
    const same = scripts.get(script.join('\n'));
    expect(same === undefined ? '' : `${id} is ${same}`).toBe('');
    scripts.set(script.join('\n'), id);
  }
});

test('each class is described and has cases, and no case is outside of them', () => {
  const used = new Set(table.map(classOf));
  expect([...used].toSorted()).toEqual(Object.keys(classes).toSorted());
});

test('each class has its row in docs/hostile.md, and docs/security.md points to each', () => {
  const rows = page('hostile.md');
  const security = page('security.md');
  for (const [name, { about, standsFor }] of Object.entries(classes)) {
    expect(rows).toContain(`| \`${name}\` | ${about} | ${standsFor.join('; ')} |`);
    expect(security).toContain(`\`${name}\``);
  }
});

/** Words that a step may begin with, as the player's table has them. */
const player = readFileSync(join(projectRoot, 'hostile/player/player.cc'), 'utf8');
const known = new Set([
  'repeat',
  'end',
  ...[...player.matchAll(/\{"([a-z-]+)", \{\d+, /g)].map(([, name = '']) => name),
]);

test('the player has steps, and docs/hostile.md describes each', () => {
  expect(known.size).toBeGreaterThan(20);
  const described = page('hostile.md');
  for (const name of known) expect(described).toContain(`\`${name}`);
});

function badSteps({ id, script }: Pick<HostileCase, 'id' | 'script'>): string[] {
  const open = script.filter((step) => step.startsWith('repeat')).length;
  const closed = script.filter((step) => step === 'end').length;
  const unknown = script.filter((step) => !known.has(step.split(' ')[0] ?? ''));
  return [
    ...(open === closed ? [] : [`${id}: repeat without end`]),
    ...unknown.map((step) => `${id}: ${step}`),
  ];
}

test('every step of every script is one that the player has', () => {
  const scripts = [...table, { id: 'the good front-end', script: goodFrontEnd(true) }];
  expect(scripts.flatMap(badSteps)).toEqual([]);
});

test('codes are those of the table of errors', () => {
  const codes = table.flatMap(({ expect: wanted }) =>
    wanted.kind === 'ends' ? [wanted.code] : wanted.kind === 'either' ? wanted.codes : [],
  );
  expect(codes.filter((code) => !isErrorCode(code))).toEqual([]);
});
