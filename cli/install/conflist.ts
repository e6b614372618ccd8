// SPDX-License-Identifier: Apache-2.0
//
// A network configuration list (CNI 1.1.0, section 1) as text: our entry put in as last plugin, or taken out. Everything
// else stays as it was parsed, unknown keys and the spelling of numbers included. It knows no files.

import { readConfig } from '../../cni/config.ts';
import { type UsvhostError, usvError } from '../../lib/errors.ts';

// In Node 26 and in ECMAScript ("JSON.parse source text access"), not yet in TypeScript's library.
declare global {
  interface JSON {
    rawJSON(text: string): unknown;
    parse(
      text: string,
      reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
    ): unknown;
  }
}

const ourType = 'usvhost';

export type ChainAction = 'added' | 'replaced' | 'removed' | 'unchanged';

export interface Edited {
  readonly action: ChainAction;
  readonly text: string;
}

interface Conflist extends Record<string, unknown> {
  readonly plugins: readonly unknown[];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isOurs(plugin: unknown): boolean {
  return isObject(plugin) && plugin['type'] === ourType;
}

// A number is kept as it is spelled: one over 2^53 would come out as another.
function keepNumber(_key: string, value: unknown, context: { readonly source?: string }): unknown {
  return typeof value === 'number' && context.source !== undefined ? JSON.rawJSON(context.source) : value;
}

function notConflist(file: string, got: string, cause?: unknown): UsvhostError {
  return usvError('USV_CONFIG', {
    what: `the CNI configuration ${file}`,
    expected: 'a configuration list, a JSON object with name, cniVersion and plugins',
    got,
    cause,
  });
}

function parse(file: string, text: string): Conflist {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw notConflist(file, `no JSON: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
  if (!isObject(value)) throw notConflist(file, JSON.stringify(value).slice(0, 100));
  const { plugins } = value;
  if (Array.isArray(plugins) && plugins.length > 0 && plugins.every(isObject)) return { ...value, plugins };
  if (plugins === undefined && typeof value['type'] === 'string') {
    const got = `the single plugin ${value['type']}; to convert it, make a file NAME.conflist with
{"cniVersion": …, "name": …, "plugins": [ this file without cniVersion and name ]} and remove this one`;
    throw notConflist(file, got.replace('\n', ' '));
  }
  throw notConflist(
    file,
    plugins === undefined ? 'one without plugins' : 'one whose plugins are no list of objects',
  );
}

/** The list for printing, after parse(). */
function parseExactly(text: string): Conflist {
  return JSON.parse(text, keepNumber) as Conflist;
}

function print(list: Conflist): string {
  return `${JSON.stringify(list, undefined, 2)}\n`;
}

/** The options as an entry of the list. @throws UsvhostError USV_USAGE */
export function readOptions(text: string): Record<string, unknown> {
  const fail = (got: string, cause?: unknown) =>
    usvError('USV_USAGE', {
      what: '--chain-config',
      expected: `a JSON object with options of the plugin ${ourType}`,
      got,
      cause,
    });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw fail(JSON.stringify(text), cause);
  }
  if (!isObject(value) || (value['type'] !== undefined && value['type'] !== ourType)) throw fail(text);
  return value;
}

/** Whether the list has an entry of ours. @throws UsvhostError USV_CONFIG when it is no list */
export function holdsEntry(file: string, text: string): boolean {
  return parse(file, text).plugins.some(isOurs);
}

/**
 * Our entry as last plugin, or with these options where it stands already.
 * @throws UsvhostError USV_CONFIG (no configuration list, a value), USV_CNI_FIELD, USV_CNI_VERSION: what the plugin would refuse
 */
export function addEntry(file: string, text: string, options: Readonly<Record<string, unknown>>): Edited {
  const plain = parse(file, text);
  const entry = { ...options, type: ourType };
  // Read as the plugin will read it: a runtime adds the list's name and version.
  readConfig({ ...entry, name: plain['name'], cniVersion: plain['cniVersion'] });
  const at = plain.plugins.findIndex(isOurs);
  if (at >= 0 && sameEntry(plain.plugins[at], entry)) return { action: 'unchanged', text };
  const exact = parseExactly(text);
  const plugins = at < 0 ? [...exact.plugins, { type: ourType, ...options }] : exact.plugins.with(at, entry);
  return { action: at < 0 ? 'added' : 'replaced', text: print({ ...exact, plugins }) };
}

/** The list without our entries. @throws UsvhostError USV_CONFIG when it is no list or would have no plugin left */
export function removeEntry(file: string, text: string): Edited {
  const { plugins: before } = parse(file, text);
  const exact = parseExactly(text);
  const plugins = exact.plugins.filter((_, index) => !isOurs(before[index]));
  if (plugins.length === before.length) return { action: 'unchanged', text };
  if (plugins.length === 0) {
    throw usvError('USV_CONFIG', {
      what: `the CNI configuration ${file}`,
      expected: `other plugins beside ${ourType}; remove a network that is ours alone by hand`,
      got: 'none',
    });
  }
  return { action: 'removed', text: print({ ...exact, plugins }) };
}

// Whatever the order of the keys.
function sameEntry(a: unknown, b: unknown): boolean {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  const entries = Object.entries(value).map(([key, each]) => [key, sorted(each)] as const);
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
