// SPDX-License-Identifier: Apache-2.0

import { describe, expect, test } from '@jest/globals';
import { mergeResult, readPrevious, toVersion } from '../../../cni/result.ts';

const own = {
  interface: { name: 'net1', mac: '02:00:00:00:00:01', mtu: 1500, sandbox: '/ns', socketPath: '/s' },
  ips: [{ address: '10.0.0.2/24', gateway: '10.0.0.1', interface: 7 }, { address: 'fd00::2/64' }],
  routes: [{ dst: '0.0.0.0/0', gw: '10.0.0.1', mtu: 1400, scope: 0 }],
  dns: { domain: 'example' },
};

describe('toVersion', () => {
  test('1.1.0 has everything', () => {
    expect(toVersion(mergeResult(undefined, own), '1.1.0')).toEqual({
      cniVersion: '1.1.0',
      interfaces: [own.interface],
      ips: [
        { interface: 0, address: '10.0.0.2/24', gateway: '10.0.0.1' },
        { interface: 0, address: 'fd00::2/64' },
      ],
      routes: own.routes,
      dns: { domain: 'example' },
    });
  });

  test('1.0.0 drops what 1.1.0 brought', () => {
    const result = toVersion(mergeResult(undefined, own), '1.0.0');
    expect(result['interfaces']).toEqual([{ name: 'net1', mac: '02:00:00:00:00:01', sandbox: '/ns' }]);
    expect(result['routes']).toEqual([{ dst: '0.0.0.0/0', gw: '10.0.0.1' }]);
  });

  test.each(['0.3.0', '0.3.1', '0.4.0'] as const)('%s states the family of each address', (version) => {
    const { ips } = toVersion(mergeResult(undefined, own), version);
    expect(ips).toEqual([
      { version: '4', interface: 0, address: '10.0.0.2/24', gateway: '10.0.0.1' },
      { version: '6', interface: 0, address: 'fd00::2/64' },
    ]);
  });
});

test('a result of the plugins before us comes first and keeps its indices', () => {
  const previous = readPrevious({
    interfaces: [{ name: 'br0' }, { name: 'eth0', sandbox: '/ns' }],
    ips: [{ address: '10.5.0.2/24', interface: 1 }],
    dns: { nameservers: ['10.5.0.1'] },
  });
  const merged = mergeResult(previous, own);
  expect(merged.interfaces?.map(({ name }) => name)).toEqual(['br0', 'eth0', 'net1']);
  expect(merged.ips?.map((ip) => ip.interface)).toEqual([1, 2, 2]);
  expect(merged.dns).toEqual({ nameservers: ['10.5.0.1'], domain: 'example' });
});

test('a prevResult of another shape is refused', () => {
  expect(() => readPrevious({ interfaces: 'x' })).toThrow(
    expect.objectContaining({ code: 'USV_CONFIG', cniCode: 7 }),
  );
});
