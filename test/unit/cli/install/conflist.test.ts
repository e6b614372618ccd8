// SPDX-License-Identifier: Apache-2.0
//
// Our entry in a configuration list: what else is in the list survives, and only the list we can use is edited.

import { describe, expect, test } from '@jest/globals';
import { addEntry, holdsEntry, readOptions, removeEntry } from '../../../../cli/install/conflist.ts';
import { errorTable } from '../../../../lib/errors.ts';

const list = {
  cniVersion: '1.0.0',
  name: 'cluster',
  disableCheck: true,
  plugins: [
    { type: 'bridge', bridge: 'cni0', ipam: { type: 'host-local', ranges: [[{ subnet: '10.1.0.0/16' }]] } },
    { type: 'portmap', capabilities: { portMappings: true }, 'x-vendor': [1, 2] },
  ],
};
const text = JSON.stringify(list);
const ours = { type: 'usvhost', ifName: 'net1' };

function parsed(edited: string): unknown {
  return JSON.parse(edited);
}

describe('adding', () => {
  test('it becomes the last plugin and nothing else changes', () => {
    const edited = addEntry('f', text, { ifName: 'net1' });
    expect(edited.action).toBe('added');
    expect(parsed(edited.text)).toEqual({ ...list, plugins: [...list.plugins, ours] });
  });

  test('again: not touched, whatever the order of the options', () => {
    const once = addEntry('f', text, { ifName: 'net1', mtu: 9000 }).text;
    expect(addEntry('f', once, { mtu: 9000, ifName: 'net1' })).toEqual({ action: 'unchanged', text: once });
  });

  test('with other options: replaced where it stands', () => {
    const plugins = [list.plugins[0], { type: 'usvhost', mtu: 1400 }, list.plugins[1]];
    const edited = addEntry('f', JSON.stringify({ ...list, plugins }), { ifName: 'net1' });
    expect(edited.action).toBe('replaced');
    expect(parsed(edited.text)).toEqual({ ...list, plugins: [list.plugins[0], ours, list.plugins[1]] });
  });

  test('numbers keep their spelling', () => {
    const odd =
      '{"cniVersion":"1.0.0","name":"n","plugins":[{"type":"a","id":12345678901234567890,"x":1.0}]}';
    const edited = addEntry('f', odd, {}).text;
    expect(edited).toContain('12345678901234567890');
    expect(edited).toContain('"x": 1.0');
  });

  test.each([
    ['an unknown option', { colour: 'blue' }, 'USV_CNI_FIELD', 'colour'],
    ['a wrong option', { mtu: 10 }, 'USV_CONFIG', 'mtu'],
  ] as const)('%s is refused as the plugin would', (_, options, code, says) => {
    expect(() => addEntry('f', text, options)).toThrow(expect.objectContaining({ code }));
    expect(() => addEntry('f', text, options)).toThrow(says);
  });

  test('a version that the plugin does not speak is refused', () => {
    const old = JSON.stringify({ ...list, cniVersion: '0.1.0' });
    expect(() => addEntry('f', old, {})).toThrow(expect.objectContaining({ code: 'USV_CNI_VERSION' }));
  });
});

describe('taking out', () => {
  test('what was added leaves the list as it was', () => {
    const added = addEntry('f', text, { ifName: 'net1' }).text;
    expect(holdsEntry('f', added)).toBe(true);
    const edited = removeEntry('f', added);
    expect(edited.action).toBe('removed');
    expect(parsed(edited.text)).toEqual(list);
  });

  test('what others have added meanwhile stays', () => {
    const { plugins } = list;
    const later = { ...list, plugins: [...plugins, ours, { type: 'firewall' }] };
    expect(parsed(removeEntry('f', JSON.stringify(later)).text)).toEqual({
      ...list,
      plugins: [...plugins, { type: 'firewall' }],
    });
  });

  test('a list without us is not touched', () => {
    expect(holdsEntry('f', text)).toBe(false);
    expect(removeEntry('f', text)).toEqual({ action: 'unchanged', text });
  });

  test('a list of ours alone is not emptied', () => {
    const alone = JSON.stringify({ ...list, plugins: [ours] });
    expect(() => removeEntry('f', alone)).toThrow('by hand');
  });
});

describe('what is no configuration list', () => {
  test('a single plugin: says how it is converted', () => {
    const single = '{"cniVersion":"1.0.0","name":"n","type":"bridge"}';
    expect(() => addEntry('/etc/x.conf', single, {})).toThrow(
      /x\.conf.*single plugin bridge.*NAME\.conflist/s,
    );
  });

  test.each(['{', '', '[]', 'null', '7', '{}', '{"plugins":7}', '{"plugins":[]}', '{"plugins":[7]}'])(
    '%j',
    (bad) => {
      for (const act of [() => addEntry('f', bad, {}), () => removeEntry('f', bad)]) {
        expect(act).toThrow(expect.objectContaining({ code: 'USV_CONFIG' }));
      }
    },
  );
});

test.each(['{', '[]', '"x"', '{"type":"bridge"}'])('options %s are wrong use', (bad) => {
  const code = 'USV_USAGE';
  expect(() => readOptions(bad)).toThrow(expect.objectContaining({ code, next: errorTable[code].next }));
});
