// SPDX-License-Identifier: Apache-2.0
//
// The reference page and the JSON schema of each daemon's configuration, from its zod schema.

import * as z from 'zod';
import { agentConfigSchema } from '../../lib/config/agent.ts';
import { dataplaneConfigSchema } from '../../lib/config/dataplane.ts';
import { environmentName } from '../../lib/config/load.ts';
import { switchConfigSchema } from '../../lib/config/switch.ts';
import { webhookConfigSchema } from '../../lib/config/webhook.ts';
import { generatedNote, type Output } from './output.ts';

const roles = {
  agent: agentConfigSchema,
  dataplane: dataplaneConfigSchema,
  switch: switchConfigSchema,
  webhook: webhookConfigSchema,
} as const;

/** The part of JSON Schema that our schemas use. */
const plainFieldSchema = z.object({
  type: z.string().optional(),
  /** Of a value that may be null. */
  anyOf: z.array(z.object({ type: z.string() })).optional(),
  enum: z.array(z.string()).optional(),
  items: z.object({ type: z.string() }).optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  default: z.unknown().optional(),
  description: z.string(),
});
/** Fields of an object; none for what is no object. */
const innerSchema = z.object({
  properties: z.record(z.string(), plainFieldSchema).default({}),
  required: z.array(z.string()).default([]),
});
/** An object, or a list of objects, whose fields are plain. */
const fieldSchema = plainFieldSchema.extend({
  ...innerSchema.shape,
  items: innerSchema.extend({ type: z.string() }).optional(),
});
type PlainField = z.output<typeof plainFieldSchema>;
type Field = z.output<typeof fieldSchema>;

const documentSchema = z.looseObject({
  properties: z.record(z.string(), fieldSchema),
  required: z.array(z.string()).default([]),
});

/** A limit that only says what a JSON number can hold is none. */
function limit(value: number | undefined): number | undefined {
  return value === undefined || Math.abs(value) >= Number.MAX_SAFE_INTEGER ? undefined : value;
}

function kindOf(field: PlainField): string {
  if (field.enum !== undefined) return field.enum.map((value) => `\`${value}\``).join(', ');
  if (field.items !== undefined) return `list of ${field.items.type}`;
  if (field.anyOf !== undefined) return field.anyOf.map(({ type }) => type).join(' or ');
  const [low, high] = [limit(field.minimum), limit(field.maximum)];
  const range = low === undefined && high === undefined ? '' : `, ${low ?? '…'} to ${high ?? '…'}`;
  return `${field.type ?? 'any'}${range}`;
}

function row(name: string, variable: string, field: PlainField, required = false): string {
  const initial = field.default === undefined ? 'none' : `\`${JSON.stringify(field.default)}\``;
  const cells = [`\`${name}\``, variable, kindOf(field), required ? 'required' : initial, field.description];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function page(
  role: string,
  properties: Readonly<Record<string, Field>>,
  required: readonly string[],
): string {
  const rows = Object.entries(properties).flatMap(([name, field]) => {
    const variable = `\`${environmentName(role, name)}\``;
    const within = field.items ?? field;
    const prefix = field.items === undefined ? name : `${name}[]`;
    const inner = Object.entries(within.properties).map(([innerName, innerField]) =>
      row(`${prefix}.${innerName}`, `in ${variable}`, innerField, within.required.includes(innerName)),
    );
    return [row(name, variable, field, required.includes(name)), ...inner];
  });
  return `# Configuration of \`usvhost ${role}\`

${generatedNote(`lib/config/${role}.ts`)}

Values come from the defaults, then from the JSON file of \`--config\`, then from the environment, then from flags; each
weighs more than the one before. In the environment lists and objects are JSON, as in \`[1,2]\`. An unknown field in the file is an
error, USV_CONFIG. [config-${role}.schema.json](config-${role}.schema.json) is the JSON Schema of the file.

| field | environment | kind | default | meaning |
|---|---|---|---|---|
${rows.join('\n')}
`;
}

export async function generate(): Promise<readonly Output[]> {
  return Object.entries(roles).flatMap(([role, schema]) => {
    const json = z.toJSONSchema(schema, { io: 'input' });
    const { properties, required } = documentSchema.parse(json);
    return [
      { path: `docs/config-${role}.md`, content: page(role, properties, required) },
      { path: `docs/config-${role}.schema.json`, content: `${JSON.stringify(json, undefined, 2)}\n` },
    ];
  });
}
