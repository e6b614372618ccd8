// SPDX-License-Identifier: Apache-2.0
//
// What must be included is, what is occupied comes last, and the size is kept.

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { DevicePool } from '../../../device-plugin/pool.ts';
import { prefer } from '../../../device-plugin/preference.ts';

const pool = new DevicePool({ prefix: 'port-', count: 8 });
const vacant = (): boolean => true;

interface Options {
  readonly must?: readonly number[];
  readonly occupied?: readonly number[];
}

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

  describe('with two NUMA nodes', () => {
    // port-0, port-2, port-4, port-6 are on node 0, the others on node 1.
    const numa = new DevicePool({ prefix: 'port-', count: 8, numaNodes: [0, 1] });
    const choose = (available: readonly number[], size: number, options: Options = {}): string[] => {
      const { must = [], occupied = [] } = options;
      const ids = (numbers: readonly number[]): string[] => numbers.map((n) => `port-${n}`);
      const request = { available: ids(available), mustInclude: ids(must), size };
      return prefer(request, numa, (id) => !ids(occupied).includes(id));
    };

    test.each<[string, readonly number[], number, Options, readonly number[]]>([
      ['one node is kept', [0, 1, 2, 3], 2, {}, [0, 2]],
      ['the node with the fewest that has enough', [0, 2, 4, 1, 3], 2, {}, [1, 3]],
      ['the node of what must be included', [1, 2, 3, 4], 2, { must: [1] }, [1, 3]],
      ['a node where nothing is occupied', [0, 2, 1, 3], 2, { occupied: [0] }, [1, 3]],
      ['two nodes rather than what is occupied', [0, 2, 1], 2, { occupied: [2] }, [0, 1]],
      ['the larger part on one node', [0, 1, 3, 5], 4, {}, [1, 3, 5, 0]],
    ])('%s', (_, available, size, options, chosen) => {
      expect(choose(available, size, options)).toEqual(chosen.map((n) => `port-${n}`));
    });
  });

  test('answers with different devices of the request, as many as asked for', () => {
    const ids = pool.list().map(({ id }) => id);
    const pools = [pool, new DevicePool({ prefix: 'port-', count: 8, numaNodes: [0, 1, 2] })];
    fc.assert(
      fc.property(
        fc.constantFrom(...pools),
        fc.subarray(ids),
        fc.subarray(ids),
        fc.nat(8),
        fc.func(fc.boolean()),
        (from, available, must, extra, isVacant) => {
          const union = new Set([...available, ...must]);
          const size = Math.min(must.length + extra, union.size);
          const chosen = prefer({ available, mustInclude: must, size }, from, isVacant);
          expect(new Set(chosen).size).toBe(size);
          for (const id of must) expect(chosen).toContain(id);
          for (const id of chosen) expect(union).toContain(id);
        },
      ),
    );
  });
});
