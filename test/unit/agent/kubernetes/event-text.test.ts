// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { cleanText } from '../../../../agent/kubernetes/event-text.ts';

test('keeps words, and takes away what a terminal acts upon', () => {
  expect(cleanText('net1: USV_RING: größer', 100)).toBe('net1: USV_RING: größer');
  expect(cleanText('a\u001b[31mred\nb\u0000\u009bc', 100)).toBe('a [31mred b c');
  // Right-to-left override, line separator, a lone surrogate.
  expect(cleanText('a\u202eb\u2028c\ud800d', 100)).toBe('a b c d');
});

test('cuts at a letter, and says so', () => {
  expect(cleanText('ööööö', 10)).toBe('ööööö');
  expect(cleanText('öööööö', 10)).toBe('ööö…');
});

test('whatever comes, it is one line of printable letters within its bytes', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.integer({ min: 3, max: 200 }),
      (text, bytes) => {
        const cleaned = cleanText(text, bytes);
        expect(Buffer.byteLength(cleaned)).toBeLessThanOrEqual(bytes);
        expect(cleaned).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
      },
    ),
  );
});
