// SPDX-License-Identifier: Apache-2.0
//
// The Helm chart's values.yaml, values.schema.json and README, all from the one schema of its values, and its dashboard.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { dashboard } from '../chart/dashboard.ts';
import { valuesSchema } from '../chart/values.ts';
import { projectRoot } from '../main.ts';
import { generatedNote, type Output } from './output.ts';

const directory = 'charts/usvhost';
const source = 'scripts/chart/values.ts';
const marker = '<!-- values -->';

/** The part of JSON Schema that a group of values uses; what is within a described value is its own affair. */
const nodeSchema = z.looseObject({
  type: z.string().optional(),
  enum: z.array(z.string()).optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  items: z.looseObject({ type: z.string().optional() }).optional(),
  default: z.unknown().optional(),
  description: z.string().optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
});
type Node = z.output<typeof nodeSchema>;

const membersOf = (node: Node): [string, Node][] =>
  Object.entries(node.properties ?? {}).map(([name, member]) => [name, nodeSchema.parse(member)]);

/** A group has no description of its own: its members are the values. */
const isGroup = (node: Node): boolean => node.description === undefined;

function kindOf(node: Node): string {
  if (node.enum !== undefined) return node.enum.map((value) => `\`${value}\``).join(', ');
  if (node.type === 'array') return `list of ${node.items?.type ?? 'any'}`;
  const { minimum, maximum } = node;
  return minimum === undefined || maximum === undefined
    ? (node.type ?? 'any')
    : `${node.type}, ${minimum} to ${maximum}`;
}

function rows(node: Node, prefix: string): string[] {
  return membersOf(node).flatMap(([name, member]) => {
    const path = `${prefix}${name}`;
    if (isGroup(member)) return rows(member, `${path}.`);
    const initial = member.default === undefined ? 'none' : `\`${JSON.stringify(member.default)}\``;
    const cells = [`\`${path}\``, kindOf(member), initial, member.description ?? ''];
    return [`| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`];
  });
}

/** Values as YAML: groups by indentation, a value as JSON, which is YAML too, with its meaning above it. */
function yaml(node: Node, indent: string): string[] {
  return membersOf(node).flatMap(([name, member]) => {
    if (isGroup(member)) return [`${indent}${name}:`, ...yaml(member, `${indent}  `)];
    if (member.default === undefined) return [];
    return [`${indent}# ${member.description}`, `${indent}${name}: ${JSON.stringify(member.default)}`];
  });
}

/** The schema that Helm applies: values are merged before, so that no group has a default of its own. */
function helmSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(valuesSchema, { io: 'input' }), title: 'values of the chart usvhost' };
}

export async function generate(): Promise<readonly Output[]> {
  const schema = helmSchema();
  const tree = nodeSchema.parse(schema);
  const text = readFileSync(join(projectRoot, 'scripts/chart/readme.md'), 'utf8');
  const table = ['| value | kind | default | meaning |', '|---|---|---|---|', ...rows(tree, '')].join('\n');
  const head = `# SPDX-License-Identifier: Apache-2.0\n#\n# ${generatedNote(source)}\n`;
  return [
    { path: `${directory}/values.yaml`, content: `${head}\n${yaml(tree, '').join('\n')}\n` },
    { path: `${directory}/values.schema.json`, content: `${JSON.stringify(schema, undefined, 2)}\n` },
    {
      path: `${directory}/files/dashboard.json`,
      content: `${JSON.stringify(dashboard(), undefined, 2)}\n`,
    },
    { path: `${directory}/README.md`, content: text.replace(marker, `${generatedNote(source)}\n\n${table}`) },
  ];
}
