// SPDX-License-Identifier: Apache-2.0
//
// How every daemon gets its configuration: schema defaults, then --config FILE, then the environment, then flags, each
// over the one before. One strict schema decides; an unknown field is an error, not a silent default.

import { readFileSync } from 'node:fs';
import * as z from 'zod/mini';
import { usvError } from '../errors.ts';

export interface ConfigSources {
  /** The daemon's name: field `maxPorts` of role `switch` is USVHOST_SWITCH_MAX_PORTS in the environment. */
  readonly role: string;
  /** Path of a JSON file, when given. */
  readonly file?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Flags as given; undefined values count as not given. */
  readonly flags: Readonly<Record<string, unknown>>;
}

/** `maxPorts` of role `switch` → `USVHOST_SWITCH_MAX_PORTS`. */
export function environmentName(role: string, field: string): string {
  const upper = field.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
  return `USVHOST_${role.toUpperCase()}_${upper}`;
}

function readFile(path: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const got = cause instanceof Error ? cause.message : String(cause);
    throw usvError('USV_CONFIG', { what: '--config', expected: 'a readable file', got, cause });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const got = cause instanceof Error ? cause.message : String(cause);
    throw usvError('USV_CONFIG', { what: `the file ${path}`, expected: 'JSON', got, cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw usvError('USV_CONFIG', {
      what: `the file ${path}`,
      expected: 'a JSON object',
      got: JSON.stringify(value),
    });
  }
  return { ...value };
}

/** Text of the environment or a flag: JSON where it is JSON (numbers, booleans, lists), else the text itself. */
function parseText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** A text that the field takes as it is stays a text, `1` as a name included; anything else is JSON. */
function fromEnvironment(sources: ConfigSources, shape: z.core.$ZodShape): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const [field, schema] of Object.entries(shape)) {
    const text = sources.env[environmentName(sources.role, field)];
    if (text !== undefined) found[field] = z.safeParse(schema, text).success ? text : parseText(text);
  }
  return found;
}

/** Zod's `Too small: expected number to be >=1, received 0` in words that follow our own `expected`. */
function expectation(message: string): string {
  return message
    .replace(/^[A-Z][a-z ]*: (expected )?/, '')
    .replace(/, received .*$/, '')
    .replace(/^must /, 'a string to ');
}

/** @throws UsvhostError USV_CONFIG naming the field, what was expected and what was got. */
export function loadConfig<Shape extends z.core.$ZodShape>(
  schema: z.ZodMiniObject<Shape, z.core.$strict>,
  sources: ConfigSources,
): z.output<z.ZodMiniObject<Shape, z.core.$strict>> {
  const fields = Object.keys(schema.shape);
  const flags = Object.fromEntries(Object.entries(sources.flags).filter(([, value]) => value !== undefined));
  const file = sources.file === undefined ? {} : readFile(sources.file);
  const merged: Record<string, unknown> = { ...file, ...fromEnvironment(sources, schema.shape), ...flags };
  const result = schema.safeParse(merged);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  if (issue?.code === 'unrecognized_keys') {
    throw usvError('USV_CONFIG', {
      what: [...issue.path, issue.keys.join(', ')].join('.'),
      expected:
        issue.path.length === 0
          ? `only ${fields.join(', ')}`
          : `only fields of docs/config-${sources.role}.md`,
      got: 'an unknown field',
    });
  }
  const got = issue?.path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    merged,
  );
  throw usvError('USV_CONFIG', {
    what: issue?.path.join('.') || sources.role,
    expected: expectation(issue?.message ?? 'another value'),
    got: JSON.stringify(got) ?? 'nothing',
  });
}
