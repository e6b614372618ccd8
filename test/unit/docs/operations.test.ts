// SPDX-License-Identifier: Apache-2.0
//
// docs/operations.md tells of each alert, under the name that its annotation leads to, and of nothing that there is not.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { projectRoot } from '../../../scripts/main.ts';
import { alertRules } from '../../support/alerts.ts';

const read = (path: string): string => readFileSync(join(projectRoot, path), 'utf8');
const page = read('docs/operations.md');
const rules = alertRules();

/** Title and text of each section about an alert. */
const sections = new Map(
  page
    .split(/^### /m)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf('\n')), section.slice(section.indexOf('\n')).trim()]),
);

test('each alert has its section, and there is no section of another', () => {
  expect([...sections.keys()].toSorted()).toEqual(rules.map(({ alert }) => alert).toSorted());
  for (const text of sections.values()) expect(text.length).toBeGreaterThan(80);
});

test.each(rules)('the runbook of $alert leads to it', ({ alert, annotations }) => {
  expect(annotations.runbook).toBe(`docs/operations.md#${alert.toLowerCase()}`);
});

test('reasons of drops are those that the switch has, and all of them', () => {
  const form = /`((?:rx|tx)_drop_[a-z_]+)`/g;
  const reasonsIn = (text: string): string[] => [
    ...new Set([...text.matchAll(form)].map(([, name = '']) => name)),
  ];
  const rows = (sections.get('UsvhostDropsRising') ?? '').split('\n').filter((line) => line.startsWith('|'));
  const spoofed = 'tx_drop_spoofed';
  expect([...reasonsIn(rows.join('\n')), spoofed].sort()).toEqual(reasonsIn(read('docs/ports.md')).sort());
  const source = [...read('native/switch/counters.h').matchAll(/X\((\w+_drop_\w+),/g)];
  expect(reasonsIn(read('docs/ports.md')).sort()).toEqual(source.map(([, name]) => name).sort());
});

test('codes that it names are in the table of errors', () => {
  const errors = read('docs/errors.md');
  for (const [code] of page.matchAll(/USV_[A-Z_]+/g)) expect(errors).toContain(`## ${code}\n`);
});
