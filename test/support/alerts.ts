// SPDX-License-Identifier: Apache-2.0
//
// The alerts that the chart ships, as its file of rules has them.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import * as z from 'zod';
import { projectRoot } from '../../scripts/main.ts';

export const rulesFile = join(projectRoot, 'charts/usvhost/files/rules.yaml');

/** Strict: what the schema does not have would be a mistake, such as an annotation that nobody reads. */
const ruleFile = z.strictObject({
  groups: z.array(
    z.strictObject({
      name: z.string(),
      rules: z.array(
        z.strictObject({
          alert: z.string().regex(/^Usvhost[A-Za-z]+$/),
          expr: z.string(),
          for: z.string().optional(),
          labels: z.strictObject({ severity: z.enum(['critical', 'warning', 'info']) }),
          annotations: z.strictObject({ summary: z.string(), description: z.string(), runbook: z.string() }),
        }),
      ),
    }),
  ),
});

export type AlertRule = z.output<typeof ruleFile>['groups'][number]['rules'][number];

/** All alerts in the order of the file. @throws ZodError */
export function alertRules(): AlertRule[] {
  return ruleFile.parse(parse(readFileSync(rulesFile, 'utf8'))).groups.flatMap(({ rules }) => rules);
}
