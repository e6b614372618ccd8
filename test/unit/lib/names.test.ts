// SPDX-License-Identifier: Apache-2.0
//
// Names that may become parts of paths, and the limit of socket paths.

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  checkDevice,
  checkIfname,
  checkNetwork,
  checkPortName,
  checkSocketPath,
  hostPaths,
  portName,
  socketPathLimit,
} from '../../../lib/names.ts';

const code = (expected: string): object => expect.objectContaining({ code: expected });

describe.each([
  {
    check: checkPortName,
    good: ['p', '0', 'p-1', 'p'.repeat(31)],
    bad: ['', '-p', 'P', 'p_', 'p'.repeat(32)],
  },
  {
    check: checkDevice,
    good: ['p', 'Port_0-1', 'p'.repeat(63)],
    bad: ['', '-p', '_p', 'p.', 'p'.repeat(64)],
  },
  {
    check: checkIfname,
    good: ['e', 'net1', 'a.b', '-', '...', '!#~', 'e'.repeat(15)],
    bad: ['', '.', '..', 'a:b', 'é', 'e'.repeat(16)],
  },
])('$check.name', ({ check, good, bad }) => {
  test.each(good)('takes %j', (name) => {
    expect(check(name)).toBe(name);
  });

  test.each([...bad, 'a/b', '../a', 'a b', 'a\0', 'a\n', '\ta'])('refuses %j', (name) => {
    expect(() => check(name)).toThrow(code('USV_NAME'));
  });

  test('whatever it takes is one component of a path', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.stringMatching(/^[a-z./-]{0,5}$/)),
        (name) => {
          try {
            check(name);
          } catch {
            return; // refused: nothing to hold
          }
          expect(join('/a', name)).toBe(`/a/${name}`);
          expect(name).not.toMatch(/[/\0\s]/);
        },
      ),
    );
  });
});

describe('checkSocketPath', () => {
  test('takes 107 bytes and not one more', () => {
    const longest = `/${'a'.repeat(socketPathLimit - 1)}`;
    expect(checkSocketPath(longest)).toBe(longest);
    expect(() => checkSocketPath(`${longest}a`)).toThrow(code('USV_SOCKET_PATH'));
  });

  test('counts bytes, not characters', () => {
    expect(() => checkSocketPath(`/${'é'.repeat(54)}`)).toThrow('got 109: /é');
  });
});

describe('portName', () => {
  test('is a port name for any container and interface', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (container, ifname) => {
        expect(checkPortName(portName(container, ifname))).toMatch(/^p[0-9a-f]{14}$/);
      }),
    );
  });

  test('separates its two parts', () => {
    expect(portName('ab', 'c')).not.toBe(portName('a', 'bc'));
  });

  test('is what it has always been, since other processes compute it again', () => {
    const digest = createHash('sha256').update(
      Buffer.from([...Buffer.from('c1'), 0, ...Buffer.from('net1')]),
    );
    expect(portName('c1', 'net1')).toBe(`p${digest.digest('hex').slice(0, 14)}`);
  });
});

describe('hostPaths', () => {
  test('has the paths that others depend on', () => {
    const paths = hostPaths('/');
    expect({ ...paths, socket: paths.portSocket('p1'), pod: paths.podPort('port-0', 'net1') }).toMatchObject({
      runDir: '/run/usvhost',
      agentSocket: '/run/usvhost/agent.sock',
      switchSocket: '/run/usvhost/switch.sock',
      portsDir: '/run/usvhost/ports',
      socket: '/run/usvhost/ports/p1/vhost.sock',
      podsDir: '/run/usvhost/pods',
      pod: '/run/usvhost/pods/port-0/net1',
      statsDir: '/run/usvhost/stats',
      stateDir: '/var/lib/usvhost',
      memDir: '/run/usvhost/mem',
      devicePluginDir: '/var/lib/kubelet/device-plugins',
      kubeletSocket: '/var/lib/kubelet/device-plugins/kubelet.sock',
      pluginSocket: '/var/lib/kubelet/device-plugins/usvhost.sock',
      pluginsRegistryDir: '/var/lib/kubelet/plugins_registry',
      deviceInfoDir: '/var/run/k8s.cni.cncf.io/devinfo/dp',
    });
  });

  test('keeps every path below its root', () => {
    const paths = hostPaths('/tmp/node');
    const all = [
      ...Object.values(paths).filter((value) => typeof value === 'string'),
      paths.portDir('p'),
      paths.podDir('d'),
    ];
    for (const path of all) expect(path.startsWith('/tmp/node')).toBe(true);
  });

  test('refuses a root that leaves no room for a socket', () => {
    expect(() => hostPaths(`/${'r'.repeat(100)}`)).toThrow(code('USV_SOCKET_PATH'));
    const paths = hostPaths(`/${'r'.repeat(60)}`);
    expect(() => paths.portSocket('p'.repeat(31))).toThrow(code('USV_SOCKET_PATH'));
  });

  test('refuses names that would leave their directory', () => {
    const paths = hostPaths('/');
    expect(() => paths.portDir('../x')).toThrow(code('USV_NAME'));
    expect(() => paths.podDir('a/b')).toThrow(code('USV_NAME'));
    expect(() => paths.podPort('d', '..')).toThrow(code('USV_NAME'));
  });
});

test('a network is any printable name of bounded length, for it never becomes part of a path', () => {
  for (const name of ['', 'fast', 'default/fast', '..', '~'.repeat(253)])
    expect(checkNetwork(name)).toBe(name);
  for (const name of ['a b', 'a\n', 'a\0', '\u00e9', 'n'.repeat(254)])
    expect(() => checkNetwork(name)).toThrow(code('USV_NAME'));
});
