// SPDX-License-Identifier: Apache-2.0
//
// Stable ids, one health for all, and no id that is not of the pool.

import { describe, expect, test } from '@jest/globals';
import { DevicePool } from '../../../device-plugin/pool.ts';

describe('order', () => {
  test.each(['', 'port-4', 'port-', 'port--1', 'port-01', '../port-0', 'PORT-0', 'port-0 '])(
    'refuses %j',
    (id) => {
      const pool = new DevicePool({ count: 4 });
      expect(() => pool.order(['port-0', id])).toThrow(
        expect.objectContaining({ code: 'USV_DEVICE_UNKNOWN' }),
      );
    },
  );

  test('sorts by number, not by text, and drops repeats', () => {
    const pool = new DevicePool({ count: 12 });
    expect(pool.order(['port-10', 'port-2', 'port-10'])).toEqual(['port-2', 'port-10']);
  });
});

describe('health', () => {
  test('changes every device, and tells of changes only', () => {
    const pool = new DevicePool({ count: 2 });
    let told = 0;
    const forget = pool.onChange(() => {
      told += 1;
    });
    pool.setHealth(true);
    pool.setHealth(false);
    pool.setHealth(false);
    expect(told).toBe(1);
    expect(pool.list()).toEqual([
      { id: 'port-0', health: 'Unhealthy' },
      { id: 'port-1', health: 'Unhealthy' },
    ]);
    forget();
    pool.setHealth(true);
    expect(told).toBe(1);
  });

  test('ids are the same for every pool', () => {
    const ids = () => new DevicePool({ count: 3 }).list().map(({ id }) => id);
    expect(ids()).toEqual(ids());
  });
});
