// SPDX-License-Identifier: Apache-2.0
//
// The table of errors: every row is complete, readable, and on its page.

import { readFileSync } from 'node:fs';
import { status } from '@grpc/grpc-js';
import { describe, expect, test } from '@jest/globals';
import {
  type ErrorCode,
  errorTable,
  isErrorCode,
  UsvhostError,
  usvError,
  usvFailure,
} from '../../../lib/errors.ts';

const page = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8');
/** CNI 1.1.0, section "Error": the codes below 100 that have a meaning. */
const reservedByCni = [1, 2, 3, 4, 5, 6, 7, 11, 50, 51];

describe.each(Object.entries(errorTable))('%s', (code, row) => {
  test('is a code, with sentences', () => {
    expect(code).toMatch(/^USV_[A-Z]+(_[A-Z]+)*$/);
    for (const sentence of [row.cause, row.next]) expect(sentence).toMatch(/^\S.*[.]$/);
  });

  test('has codes that exist elsewhere', () => {
    expect(row.cni >= 100 || reservedByCni.includes(row.cni)).toBe(true);
    expect(status[row.grpc]).toBeGreaterThan(0);
    expect([1, 2]).toContain(row.exit);
  });

  test('is documented', () => {
    expect(page).toContain(`## ${code}\n\n${row.cause}\n\n*What to do:* ${row.next}\n`);
  });
});

test('the page has no other code', () => {
  const documented = [...page.matchAll(/^## (.*)$/gm)].map((found) => found[1]);
  expect(documented).toEqual(Object.keys(errorTable).toSorted());
});

test('own CNI codes are used once', () => {
  const own = Object.values(errorTable)
    .map(({ cni }): number => cni)
    .filter((cni) => cni >= 100);
  expect(new Set(own).size).toBe(own.length);
});

test('only codes of the table are codes', () => {
  expect(isErrorCode('USV_CONFIG')).toBe(true);
  for (const other of ['USV_NONE', 'toString', '__proto__', '']) expect(isErrorCode(other)).toBe(false);
});

test('an expectation has one form of message', () => {
  const cause = new Error('below');
  const error = usvError('USV_NAME', { what: 'a port name', expected: 'letters', got: '"A b"', cause });
  expect(error).toBeInstanceOf(UsvhostError);
  expect(error.message).toBe('USV_NAME: expected letters for a port name, got "A b"');
  expect(error.details).toBe('expected letters for a port name, got "A b"');
  expect(error.cause).toBe(cause);
});

test('an error carries its row', () => {
  const code: ErrorCode = 'USV_PORT_LIMIT';
  const error = usvFailure(code, 'the switch has 256 ports');
  const row = errorTable[code];
  expect(error).toMatchObject({
    name: 'UsvhostError',
    code,
    next: row.next,
    cniCode: row.cni,
    grpcStatus: row.grpc,
    exitCode: row.exit,
  });
  expect(Object.hasOwn(error, 'cause')).toBe(false);
});

test('a delegated plugin keeps its own CNI code', () => {
  expect(usvFailure('USV_IPAM', 'no addresses left', { cni: 11 }).cniCode).toBe(11);
});
