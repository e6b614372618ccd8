// SPDX-License-Identifier: Apache-2.0
//
// Stable ids, one health for all, and no id that is not of the pool.

import { describe, expect, test } from '@jest/globals';
import { DevicePool } from '../../../device-plugin/pool.ts';

describe('order', () => {
  test.each(['', 'port-4', 'port-', 'port--1', 'port-01', '../port-0', 'PORT-0', 'port-0 '])(
    'refuses %j',
    (id) => {
      const pool = new DevicePool({ prefix: 'port-', count: 4 });
      expect(() => pool.order(['port-0', id])).toThrow(
        expect.objectContaining({ code: 'USV_DEVICE_UNKNOWN' }),
      );
    },
  );

  test('sorts by number, not by text, and drops repeats', () => {
    const pool = new DevicePool({ prefix: 'port-', count: 12 });
    expect(pool.order(['port-10', 'port-2', 'port-10'])).toEqual(['port-2', 'port-10']);
  });
});

describe('health', () => {
  test('changes every device, and tells of changes only', () => {
    const pool = new DevicePool({ prefix: 'port-', count: 2 });
    let told = 0;
    const forget = pool.onChange(() => {
      told += 1;
    });
    pool.setHealth(true);
    pool.setHealth(false);
    pool.setHealth(false);
    expect(told).toBe(1);
    expect(pool.list()).toEqual([
      { id: 'port-0', health: 'Unhealthy', numaNode: undefined },
      { id: 'port-1', health: 'Unhealthy', numaNode: undefined },
    ]);
    forget();
    pool.setHealth(true);
    expect(told).toBe(1);
  });

  test('of some devices leaves the others', () => {
    const pool = new DevicePool({ prefix: 'shm-64Mi-', count: 3, healthy: false });
    pool.setHealth(true, ['shm-64Mi-1']);
    expect(pool.list().map(({ health }) => health)).toEqual(['Unhealthy', 'Healthy', 'Unhealthy']);
    expect(pool.unhealthy()).toEqual(['shm-64Mi-0', 'shm-64Mi-2']);
  });

  test('ids are the same for every pool', () => {
    const ids = () => new DevicePool({ prefix: 'port-', count: 3 }).list().map(({ id }) => id);
    expect(ids()).toEqual(ids());
  });
});

describe('NUMA nodes', () => {
  test('are dealt out in turn, so that more devices move none', () => {
    const nodes = (count: number) =>
      new DevicePool({ prefix: 'port-', count, numaNodes: [1, 3] }).list().map(({ numaNode }) => numaNode);
    expect(nodes(3)).toEqual([1, 3, 1]);
    expect(nodes(5).slice(0, 3)).toEqual(nodes(3));
  });

  test('are none unless given', () => {
    expect(new DevicePool({ prefix: 'port-', count: 1 }).numaNode('port-0')).toBeUndefined();
  });
});

describe('the devices of a container', () => {
  test('are at least one', () => {
    const pool = new DevicePool({ prefix: 'port-', count: 4 });
    expect(pool.ofContainer(['port-2', 'port-1'])).toEqual(['port-1', 'port-2']);
    expect(() => pool.ofContainer([])).toThrow(expect.objectContaining({ code: 'USV_USAGE' }));
  });
});
