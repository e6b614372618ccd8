// SPDX-License-Identifier: Apache-2.0
//
// Bad input on the command line, one table: each is one line with a code of the table of errors, its exit status, and
// nothing left below the root.

import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { type ErrorCode, errorTable } from '../../lib/errors.ts';
import { temporaryRoots } from '../fakes/temporary-root.ts';
import { usvhost } from './program.ts';

const newRoot = temporaryRoots();
const missing = 'net_virtio_user0,path=/nonexistent/vhost.sock';
const absentCpu = '4000';

interface Bad {
  readonly name: string;
  /** `ROOT` stands for an empty directory of its own. */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Files below the root, by name. */
  readonly files?: Readonly<Record<string, string>>;
  readonly code: ErrorCode;
  readonly says: readonly string[];
}

function dataplane(port: string, ...args: readonly string[]): string[] {
  return ['dataplane', '--port', port, ...args];
}

const table: readonly Bad[] = [
  {
    name: 'an unknown devarg',
    args: dataplane('net_virtio_user0,path=/s,iface=tap0'),
    code: 'USV_DEVARG',
    says: ['path, mac, queue_size', 'iface=tap0'],
  },
  {
    name: "an unknown devarg of the RFC's form",
    args: dataplane('eth_cvio0,queue_num=256,rx=1,tx=1,cq=1,path=/s'),
    code: 'USV_DEVARG',
    says: ['cq=', 'no control queue', '"1"'],
  },
  { name: 'an unknown device', args: dataplane('net_tap0,path=/s'), code: 'USV_DEVARG', says: ['net_tap0'] },
  {
    name: 'two ports of one name',
    args: [...dataplane(missing), '--port', missing, '--engine', 'l2fwd'],
    code: 'USV_DEVARG',
    says: ['net_virtio_user0 twice'],
  },
  {
    name: 'three ports',
    args: [...dataplane(missing), '--port', missing, '--port', missing],
    code: 'USV_CONFIG',
    says: ['port'],
  },
  { name: 'no port', args: ['dataplane'], code: 'USV_CONFIG', says: ['port', 'nothing'] },
  {
    name: 'a socket path over 107 bytes',
    args: dataplane(`net_virtio_user0,path=/${'s'.repeat(107)}`),
    code: 'USV_SOCKET_PATH',
    says: ['107', 'got 108'],
  },
  {
    name: 'a port.json that is none',
    args: dataplane('net_virtio_user0,path=ROOT'),
    files: { 'port.json': '{"version":2}' },
    code: 'USV_CONFIG',
    says: ['version of ', 'port.json'],
  },
  {
    name: 'a tap without a name',
    args: dataplane(missing),
    code: 'USV_CONFIG',
    says: ['engine tap', '--tap'],
  },
  {
    name: 'a tap that is not there',
    args: dataplane(missing, '--tap', 'usv-no-such'),
    code: 'USV_TAP',
    says: ['usv-no-such'],
  },
  {
    name: 'two ports for an engine that takes one',
    args: [...dataplane(missing), '--port', 'eth_cvio1,path=/nonexistent', '--engine', 'rxonly'],
    code: 'USV_CONFIG',
    says: ['one port', 'got 2'],
  },
  {
    name: 'memory where there is none',
    args: dataplane(missing, '--engine', 'l2fwd', '--memory', 'hugetlbfs:/nonexistent'),
    code: 'USV_MEMORY',
    says: ['/nonexistent'],
  },
  {
    name: 'an unknown kind of memory',
    args: dataplane(missing, '--memory', 'core'),
    code: 'USV_CONFIG',
    says: ['memory', '"core"'],
  },
  {
    name: 'an unknown engine',
    args: dataplane(missing, '--engine', 'fly'),
    code: 'USV_CONFIG',
    says: ['engine', '"fly"'],
  },
  {
    name: 'an unknown engine in the environment',
    args: dataplane(missing),
    env: { USVHOST_DATAPLANE_ENGINE: 'fly' },
    code: 'USV_CONFIG',
    says: ['engine', '"fly"'],
  },
  {
    name: 'a number that is none',
    args: dataplane(missing, '--engine', 'txonly', '--size', '6x'),
    code: 'USV_CONFIG',
    says: ['size'],
  },
  {
    name: 'a CPU that the dataplane cannot have',
    args: dataplane(missing, '--engine', 'l2fwd', '--cpus', absentCpu),
    code: 'USV_CONFIG',
    says: [absentCpu],
  },
  {
    name: 'a CPU that the switch cannot have',
    args: ['switch', '--root', 'ROOT', '--cpus', absentCpu],
    code: 'USV_CONFIG',
    says: [absentCpu],
  },
  ...(['switch', 'agent', 'dataplane'] as const).map(
    (role): Bad => ({
      name: `an unknown field of the ${role}`,
      args: [role, '--config', 'ROOT/config.json'],
      files: {
        'config.json': role === 'dataplane' ? `{"colour":"blue","port":["${missing}"]}` : '{"colour":"blue"}',
      },
      code: 'USV_CONFIG',
      says: ['colour', 'unknown field'],
    }),
  ),
  {
    name: 'a configuration that is no JSON',
    args: ['agent', '--config', 'ROOT/config.json'],
    files: { 'config.json': '{' },
    code: 'USV_CONFIG',
    says: ['config.json', 'JSON'],
  },
  ...(['switch', 'agent'] as const).flatMap((role): Bad[] => [
    {
      name: `a root too long for the ${role}'s sockets`,
      args: [role, '--root', `/tmp/${'r'.repeat(100)}`],
      code: 'USV_SOCKET_PATH',
      says: ['107'],
    },
    {
      name: `a root of the ${role} that is a file`,
      args: [role, '--root', 'ROOT/file'],
      files: { file: '' },
      code: 'USV_IO',
      says: ['/file'],
    },
    {
      name: `an unknown flag of the ${role}`,
      args: [role, '--colour', 'blue'],
      code: 'USV_USAGE',
      says: ['--colour'],
    },
  ]),
  {
    name: 'a network that is no list to chain into',
    args: ['install', '--root', 'ROOT', '--chain', '/net.conf'],
    files: { 'net.conf': '{"cniVersion":"1.0.0","name":"n","type":"bridge"}' },
    code: 'USV_CONFIG',
    says: ['/net.conf', 'single plugin bridge', 'NAME.conflist'],
  },
  {
    name: 'options of a chain without a chain',
    args: ['install', '--root', 'ROOT', '--chain-config', '{}'],
    code: 'USV_USAGE',
    says: ['--chain-config'],
  },
  {
    name: 'options of a chain that the plugin does not know',
    args: ['install', '--root', 'ROOT', '--chain', '/net.conflist', '--chain-config', '{"colour":"blue"}'],
    files: { 'net.conflist': '{"cniVersion":"1.0.0","name":"n","plugins":[{"type":"bridge"}]}' },
    code: 'USV_CNI_FIELD',
    says: ['colour'],
  },
  {
    name: 'a plugin to install that is none',
    args: ['install', '--root', 'ROOT', '--shim', 'ROOT/shim'],
    files: { shim: '#!/bin/sh' },
    code: 'USV_CONFIG',
    says: ['/shim', 'CNI plugin'],
  },
  {
    name: 'ports of a node without a switch',
    args: ['ports', '--root', 'ROOT'],
    code: 'USV_SWITCH_UNREACHABLE',
    says: ['/run/usvhost/switch.sock'],
  },
  {
    name: 'a doctor for two at once',
    args: ['doctor', '--root', 'ROOT', '--node', '--port', 'p'],
    code: 'USV_USAGE',
    says: ['--port', '--pod', '--node'],
  },
  {
    name: 'a doctor for a pod without a namespace',
    args: ['doctor', '--root', 'ROOT', '--pod', 'app'],
    code: 'USV_USAGE',
    says: ['--pod', 'NAMESPACE/NAME'],
  },
  {
    name: 'a demo of no length',
    args: ['demo', '--seconds', '0'],
    code: 'USV_USAGE',
    says: ['--seconds', '"0"'],
  },
];

/** Files and sockets, not directories. */
function filesBelow(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));
}

test.each(table)('$name', async ({ args, env = {}, files = {}, code, says }) => {
  const root = newRoot();
  mkdirSync(root, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, name), text);
  const words = args.map((word) => word.replace('ROOT', root));
  const { status, stdout, stderr } = await usvhost(words, {
    env: { USVHOST_LOG: 'error', ...env },
    stdin: '',
  }).ended();
  expect([status, stdout]).toEqual([errorTable[code].exit, '']);
  // One line, the whole of what is said.
  expect(stderr).toMatch(new RegExp(`^usvhost: ${code}: [^\n]*\n$`));
  for (const text of says) expect(stderr).toContain(text);
  expect(stderr).toContain(errorTable[code].next);
  expect(filesBelow(root)).toEqual(Object.keys(files));
});
