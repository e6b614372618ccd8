// SPDX-License-Identifier: Apache-2.0
//
// The dashboard is a document that Grafana takes, as far as can be told without one: unique ids, panels that do not lie on one another, a
// data source that is chosen by the person.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import * as z from 'zod';
import { chart } from '../../../scripts/helm.ts';

const datasource = z.strictObject({ type: z.literal('prometheus'), uid: z.literal('$datasource') });
const place = z.strictObject({
  h: z.int().min(1),
  w: z.int().min(1).max(24),
  x: z.int().min(0),
  y: z.int().min(0),
});
const panel = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('row'), id: z.int(), title: z.string(), gridPos: place }),
  ...(['stat', 'timeseries'] as const).map((type) =>
    z.looseObject({
      type: z.literal(type),
      id: z.int(),
      title: z.string().min(1),
      description: z.string().min(1),
      gridPos: place,
      datasource,
      targets: z
        .array(z.looseObject({ refId: z.string().regex(/^[A-Z]$/), datasource, expr: z.string().min(1) }))
        .min(1),
    }),
  ),
]);
const model = z.looseObject({
  uid: z.string().regex(/^[a-zA-Z0-9_-]{1,40}$/),
  title: z.string(),
  schemaVersion: z.literal(38),
  templating: z.looseObject({ list: z.array(z.looseObject({ name: z.string(), type: z.string() })) }),
  panels: z.array(panel),
});

const document = model.parse(JSON.parse(readFileSync(join(chart, 'files/dashboard.json'), 'utf8')));

test('names its variables', () => {
  expect(document.templating.list.map(({ name, type }) => `${name} ${type}`)).toEqual([
    'datasource datasource',
    'node query',
  ]);
  const used = [...JSON.stringify(document.panels).matchAll(/\$([a-z]\w*)/g)].map(([, name]) => name);
  expect([...new Set(used)].sort()).toEqual(['datasource', 'node']);
});

test('has no id twice, and no panel on another one', () => {
  expect(new Set(document.panels.map(({ id }) => id)).size).toBe(document.panels.length);
  const taken = new Set<string>();
  for (const { gridPos } of document.panels) {
    expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        expect(taken.has(`${x},${y}`)).toBe(false);
        taken.add(`${x},${y}`);
      }
  }
});
