// SPDX-License-Identifier: Apache-2.0
//
// OVSDB's values in JSON (RFC 7047, 5.1): a set of one element may be written without its brackets, maps are lists of
// pairs, references are marked. Nothing here knows a table.

export type Row = Readonly<Record<string, unknown>>;

/** A reference to a row that exists. */
export const uuid = (id: string): readonly [string, string] => ['uuid', id];
/** A reference to a row that the same transaction inserts. */
export const named = (name: string): readonly [string, string] => ['named-uuid', name];

export function set(members: readonly unknown[]): readonly unknown[] {
  return ['set', members];
}

export function map(pairs: Readonly<Record<string, string>>): readonly unknown[] {
  return ['map', Object.entries(pairs)];
}

/** The elements of a set, also of one that is written as its only element. */
export function elements(value: unknown): unknown[] {
  if (value === undefined) return [];
  if (Array.isArray(value) && value[0] === 'set') return Array.isArray(value[1]) ? value[1] : [];
  return [value];
}

/** The only element as a text; empty when there is none. */
export function text(value: unknown): string {
  const [first] = elements(value);
  return typeof first === 'string' || typeof first === 'number' || typeof first === 'boolean'
    ? String(first)
    : '';
}

/** The only element as a number; undefined when there is none. */
export function number(value: unknown): number | undefined {
  const [first] = elements(value);
  return typeof first === 'number' ? first : undefined;
}

export function entries(value: unknown): Record<string, string> {
  if (!Array.isArray(value) || value[0] !== 'map' || !Array.isArray(value[1])) return {};
  const pairs: unknown[] = value[1];
  return Object.fromEntries(
    pairs.flatMap((pair) => (Array.isArray(pair) ? [[String(pair[0]), String(pair[1])]] : [])),
  );
}

/** Ids of the rows that a column refers to. */
export function references(value: unknown): string[] {
  return elements(value).flatMap((each) =>
    Array.isArray(each) && each[0] === 'uuid' ? [String(each[1])] : [],
  );
}

/** Where a column has a value, as an operation's `where`. */
export const where = (column: string, value: unknown): readonly unknown[] => [[column, '==', value]];
