// SPDX-License-Identifier: Apache-2.0

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  givenDevice,
  isAtLeast,
  ownAddresses,
  parseStdin,
  readConfig,
  readForDelete,
  readForGc,
} from '../../../cni/config.ts';
import { UsvhostError } from '../../../lib/errors.ts';

const good = { cniVersion: '1.1.0', name: 'fast', type: 'usvhost' };

test('defaults', () => {
  expect(readConfig(good)).toEqual({
    ...good,
    endpoint: 'tap',
    mtu: 1500,
    queues: 1,
    queueSize: 256,
    uid: 0,
  });
});

test('what the runtime says wins', () => {
  const config = readConfig({
    ...good,
    deviceID: 'port-1',
    ips: ['10.0.0.1/24'],
    runtimeConfig: { deviceID: 'port-2', ips: ['10.0.0.2/24'] },
  });
  expect(givenDevice(config)).toBe('port-2');
  expect(ownAddresses(config)).toEqual(['10.0.0.2/24']);
});

test('addresses of the runtime belong to the IPAM plugin when there is one', () => {
  const config = readConfig({ ...good, ipam: { type: 'static' }, runtimeConfig: { ips: ['10.0.0.2/24'] } });
  expect(ownAddresses(config)).toEqual([]);
});

test.each([
  [1, true],
  [8, true],
  [0, false],
  [9, false],
  [1.5, false],
])('%d queue pairs: %s', (queues, accepted) => {
  const act = () => readConfig({ ...good, queues });
  if (accepted) expect(act().queues).toBe(queues);
  else expect(act).toThrow(expect.objectContaining({ code: 'USV_CONFIG' }));
});

test('an unknown key is named with its value and the code of the specification', () => {
  const act = () => readConfig({ ...good, runtimeConfig: { portMappings: { ingressRate: 5 } } });
  expect(act).toThrow(expect.objectContaining({ code: 'USV_CNI_FIELD', cniCode: 2 }));
  expect(act).toThrow('runtimeConfig.portMappings');
  expect(act).toThrow('{"ingressRate":5}');
});

test('a MAC address is that of one station, kept in lower case', () => {
  expect(readConfig({ ...good, mac: '02:AB:CD:EF:00:01' }).mac).toBe('02:ab:cd:ef:00:01');
  for (const mac of ['00:00:00:00:00:00', '01:00:5e:00:00:01', 'FF:FF:FF:FF:FF:FF']) {
    expect(() => readConfig({ ...good, mac })).toThrow('unicast');
    expect(() => readConfig({ ...good, runtimeConfig: { mac } })).toThrow('unicast');
  }
  expect(() => readConfig({ ...good, mac: '02:00:00:00:00' })).toThrow('aa:bb:cc:dd:ee:ff');
});

test('any object is a configuration or an error of the table', () => {
  const keys = fc.constantFrom(
    'mtu',
    'ips',
    'mac',
    'ipam',
    'runtimeConfig',
    'gateway',
    'uid',
    'x',
    '__proto__',
  );
  fc.assert(
    fc.property(fc.dictionary(keys, fc.jsonValue()), (more) => {
      try {
        readConfig({ ...good, ...more });
      } catch (error) {
        expect(error).toBeInstanceOf(UsvhostError);
      }
      expect(Object.keys(readForDelete({ ...good, ...more }))).toEqual([
        'device',
        'ipamType',
        'ifName',
        'deviceInfoFile',
      ]);
    }),
  );
});

test('any bytes are an object or USV_STDIN_JSON', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      try {
        expect(typeof parseStdin(Buffer.from(text))).toBe('object');
      } catch (error) {
        expect(error).toMatchObject({ code: 'USV_STDIN_JSON', cniCode: 6 });
      }
    }),
  );
});

describe('readForDelete', () => {
  test('takes what can be used and leaves the rest', () => {
    const config = {
      name: 7,
      ipam: { type: 'host-local' },
      deviceID: 'port-1',
      runtimeConfig: { deviceID: '../x' },
    };
    expect(readForDelete(config)).toEqual({
      device: 'port-1',
      ipamType: 'host-local',
      ifName: undefined,
      deviceInfoFile: undefined,
    });
  });
});

describe('readForGc', () => {
  const list = [{ containerID: 'c', ifname: 'net1' }];

  test('takes the list under either name, and the rest as for DEL', () => {
    const input = { ...good, mtu: 'x', ipam: { type: 'static' } };
    const expected = { network: 'fast', valid: list, ipamType: 'static' };
    expect(readForGc({ ...input, 'cni.dev/valid-attachments': list })).toEqual(expected);
    expect(readForGc({ ...input, 'cni.dev/attachments': list })).toEqual(expected);
    expect(readForGc(input)).toEqual({ ...expected, valid: [] });
  });

  test.each([
    ['cni.dev/valid-attachments.0.containerID', { 'cni.dev/valid-attachments': [{ ifname: 'net1' }] }],
    ['name', { name: '../x' }],
  ])('names %s', (what, more) => {
    expect(() => readForGc({ ...good, ...more })).toThrow(what);
  });
});

test('versions have an order', () => {
  expect(isAtLeast('1.0.0', '0.4.0')).toBe(true);
  expect(isAtLeast('0.4.0', '1.0.0')).toBe(false);
  expect(isAtLeast('1.1.0', '1.1.0')).toBe(true);
});
