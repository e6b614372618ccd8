// SPDX-License-Identifier: Apache-2.0
//
// From the path of a handler module to a handler, and a plain word on whatever is wrong with it. TypeScript runs as it is, by
// type stripping: no enums, no parameter properties.

import { pathToFileURL } from 'node:url';
import { types } from 'node:util';
import { UsvhostError, usvError, usvFailure } from '../lib/errors.ts';
import type { HandlerContext, PacketHandler } from './packet-api.ts';

/** Of any thrown thing: its name, message and, where the stack says it, the line. */
function describe(thrown: unknown, file: string): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const line = new RegExp(`${RegExp.escape(file)}:\\d+(:\\d+)?`).exec(thrown.stack ?? '')?.[0];
  const text = `${thrown.name}: ${thrown.message.split('\n')[0]}`;
  return line === undefined || text.includes(line) ? text : `${text} (${line})`;
}

async function setupOf(file: string): Promise<(context: HandlerContext) => unknown> {
  let module: Readonly<Record<string, unknown>>;
  try {
    module = (await import(pathToFileURL(file).href)) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    throw usvFailure('USV_HANDLER', `${file} cannot be loaded: ${describe(cause, file)}`, { cause });
  }
  const { setup } = module;
  if (typeof setup === 'function') return setup as (context: HandlerContext) => unknown;
  const names = Object.keys(module).join(', ') || 'none';
  throw usvError('USV_HANDLER', {
    what: file,
    expected: 'an exported function setup',
    got: `the exports: ${names}`,
  });
}

/** Functions may be undefined; anything else is not. */
function isFunctionOrNothing(value: unknown): boolean {
  return value === undefined || typeof value === 'function';
}

function checkHandler(value: unknown, file: string): PacketHandler {
  const handler = typeof value === 'object' && value !== null ? (value as Partial<PacketHandler>) : {};
  const what = `the result of setup() of ${file}`;
  if (typeof handler.onBurst !== 'function') {
    const got = value === null ? 'null' : typeof value === 'object' ? 'an object without it' : typeof value;
    throw usvError('USV_HANDLER', { what, expected: 'an object with a function onBurst', got });
  }
  if (types.isAsyncFunction(handler.onBurst)) {
    const expected = 'an onBurst that decides before it returns';
    throw usvError('USV_HANDLER', { what, expected, got: 'an async function' });
  }
  for (const name of ['metrics', 'close'] as const) {
    if (isFunctionOrNothing(handler[name])) continue;
    throw usvError('USV_HANDLER', {
      what: `${name} in ${what}`,
      expected: 'a function',
      got: typeof handler[name],
    });
  }
  return value as PacketHandler;
}

/**
 * Loads a module and calls its setup().
 * @throws UsvhostError USV_HANDLER naming the file: it cannot be loaded, exports no setup, or setup fails or returns no handler
 */
export async function loadHandler(file: string, context: HandlerContext): Promise<PacketHandler> {
  const setup = await setupOf(file);
  let value: unknown;
  try {
    value = await setup(context);
  } catch (cause) {
    const text = cause instanceof UsvhostError ? cause.details : describe(cause, file);
    throw usvFailure('USV_HANDLER', `setup() of ${file} failed: ${text}`, { cause });
  }
  return checkHandler(value, file);
}
