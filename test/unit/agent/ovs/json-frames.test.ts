// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { JsonFrames } from '../../../../agent/ovs/json-frames.ts';

test('any messages in any pieces come out as they were', () => {
  const messages = fc.array(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()), { maxLength: 5 });
  fc.assert(
    fc.property(messages, fc.integer({ min: 1, max: 7 }), (sent, step) => {
      const frames = new JsonFrames();
      const bytes = Buffer.from(sent.map((each) => JSON.stringify(each)).join(''));
      const received: unknown[] = [];
      for (let at = 0; at < bytes.length; at += step)
        received.push(...frames.push(bytes.subarray(at, at + step)));
      expect(received.map((each) => JSON.stringify(each))).toEqual(sent.map((each) => JSON.stringify(each)));
    }),
  );
});

test('braces, quotes and backslashes in strings end nothing; blanks between messages are nothing', () => {
  const frames = new JsonFrames();
  expect(frames.push(Buffer.from(' {"a":"}\\"{\\\\"}\n\n{"b":{"c":{}}}{'))).toEqual([
    { a: '}"{\\' },
    { b: { c: {} } },
  ]);
  expect(frames.push(Buffer.from('}'))).toEqual([{}]);
});

test.each([
  ['something else than an object', '[1]', 'an object'],
  ['text', 'HTTP/1.1 400', 'an object'],
  ['what is no JSON', '{"a":}', 'JSON'],
])('%s is refused', (_, text, expected) => {
  expect(() => new JsonFrames().push(Buffer.from(text))).toThrow(`USV_MESSAGE: expected ${expected}`);
});

test('a message over the limit is refused before it is whole', () => {
  const frames = new JsonFrames(10);
  expect(frames.push(Buffer.from('{"a":1}{"b":2}'))).toHaveLength(2);
  frames.push(Buffer.from('{"a":"'));
  expect(() => frames.push(Buffer.from('xxxxx'))).toThrow('at most 10 bytes');
});
