// SPDX-License-Identifier: Apache-2.0
//
// Errors keep their code across a call; foreign failures get the code the caller chose.

import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { describe, expect, test } from '@jest/globals';
import { type ErrorCode, errorTable, usvFailure } from '../../../lib/errors.ts';
import { codeKey, fromStatus, toStatus } from '../../../proto/status.ts';

const codes = Object.keys(errorTable) as ErrorCode[];
const peer = { peer: 'the switch', unreachable: 'USV_SWITCH_UNREACHABLE' } as const;

function received(code: status, details: string, metadata = new Metadata()): ServiceError {
  return Object.assign(new Error(details), { code, details, metadata });
}

test.each(codes)('%s comes back as itself with its text', (code) => {
  const sent = toStatus(usvFailure(code, 'what happened'));
  expect(typeof sent.code).toBe('number');
  const got = fromStatus(received(sent.code ?? status.UNKNOWN, sent.details ?? '', sent.metadata), peer);
  expect(got).toMatchObject({ code, message: usvFailure(code, 'what happened').message });
});

describe('toStatus', () => {
  test('what is not ours is sent as USV_INTERNAL', () => {
    const sent = toStatus(new TypeError('x is undefined'));
    expect(sent.code).toBe(status.INTERNAL);
    expect(sent.metadata?.get(codeKey)).toEqual(['USV_INTERNAL']);
  });
});

describe('fromStatus', () => {
  test.each([status.UNAVAILABLE, status.DEADLINE_EXCEEDED])('status %d is an unreachable peer', (code) => {
    const error = fromStatus(received(code, 'ENOENT'), { ...peer, refused: 'USV_KUBELET' });
    expect(error).toMatchObject({
      code: 'USV_SWITCH_UNREACHABLE',
      message: expect.stringContaining('the switch'),
    });
  });

  test('a refusal without a code of ours names the status', () => {
    const error = fromStatus(received(status.UNKNOWN, 'bad version'), { ...peer, refused: 'USV_KUBELET' });
    expect(error).toMatchObject({
      code: 'USV_KUBELET',
      message: expect.stringContaining('(UNKNOWN): bad version'),
    });
  });

  test('a code that is not in the table is not believed', () => {
    const metadata = new Metadata();
    metadata.set(codeKey, 'toString');
    expect(fromStatus(received(status.INTERNAL, 'x', metadata), peer).code).toBe('USV_SWITCH_UNREACHABLE');
  });
});
