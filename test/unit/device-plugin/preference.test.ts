// SPDX-License-Identifier: Apache-2.0
//
// What must be included is, what is occupied comes last, and the size is kept.

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { DevicePool } from '../../../device-plugin/pool.ts';
import { prefer } from '../../../device-plugin/preference.ts';

const pool = new DevicePool({ count: 8 });
const vacant = (): boolean => true;

describe('prefer', () => {
  test.each([
    ['more than there are', { available: ['port-0'], mustInclude: [], size: 2 }],
    ['fewer than must be', { available: ['port-0', 'port-1'], mustInclude: ['port-0', 'port-1'], size: 1 }],
  ])('refuses a size of %s', (_, request) => {
    expect(() => prefer(request, pool, vacant)).toThrow(expect.objectContaining({ code: 'USV_USAGE' }));
  });

  test('refuses devices of another pool', () => {
    const request = { available: ['port-0', 'gpu-0'], mustInclude: [], size: 1 };
    expect(() => prefer(request, pool, vacant)).toThrow(
      expect.objectContaining({ code: 'USV_DEVICE_UNKNOWN' }),
    );
  });

  test('takes occupied devices last, and only then', () => {
    const available = ['port-3', 'port-0', 'port-1', 'port-2'];
    const isVacant = (id: string): boolean => id !== 'port-0';
    expect(prefer({ available, mustInclude: [], size: 2 }, pool, isVacant)).toEqual(['port-1', 'port-2']);
    expect(prefer({ available, mustInclude: [], size: 4 }, pool, isVacant)).toEqual([
      'port-1',
      'port-2',
      'port-3',
      'port-0',
    ]);
    expect(prefer({ available, mustInclude: ['port-0'], size: 1 }, pool, isVacant)).toEqual(['port-0']);
  });

  test('answers with different devices of the request, as many as asked for', () => {
    const ids = pool.list().map(({ id }) => id);
    fc.assert(
      fc.property(
        fc.subarray(ids),
        fc.subarray(ids),
        fc.nat(8),
        fc.func(fc.boolean()),
        (available, must, extra, isVacant) => {
          const union = new Set([...available, ...must]);
          const size = Math.min(must.length + extra, union.size);
          const chosen = prefer({ available, mustInclude: must, size }, pool, isVacant);
          expect(new Set(chosen).size).toBe(size);
          for (const id of must) expect(chosen).toContain(id);
          for (const id of chosen) expect(union).toContain(id);
        },
      ),
    );
  });
});
