// SPDX-License-Identifier: Apache-2.0
//
// What clusters note of a machine and put back: a directory stands for the machine.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Machine } from '../../cluster/host/machine-state.ts';
import { type PrivateDirectory, privateDirectory } from '../../support/private-directory.ts';

let directory: PrivateDirectory;
let machine: Machine;
const path = (name: string): string => join(directory.path, name);
const write = (name: string, value: string): void => {
  mkdirSync(dirname(path(name)), { recursive: true });
  writeFileSync(path(name), `${value}\n`);
};
const sysctl = (name: string): string => readFileSync(path(`proc/sys/${name}`), 'utf8').trim();

beforeEach(() => {
  directory = privateDirectory();
  write('proc/sys/vm/nr_hugepages', '5');
  write('proc/sys/vm/overcommit_memory', '0');
  write('proc/self/mountinfo', '1 1 0:1 / / rw - ext4 x rw');
  mkdirSync(path('run'));
  machine = new Machine({ root: directory.path, note: path('note.json') });
});

afterEach(() => directory.remove());

/** As its kubelet does. */
function enter(cluster: string, others: readonly string[]): void {
  machine.enter(cluster, others);
  write('proc/sys/vm/overcommit_memory', '1');
}

test('one cluster: everything is put back', () => {
  enter('a', []);
  expect(sysctl('vm/nr_hugepages')).toBe('69');
  expect(existsSync(path('var/lib/kubelet'))).toBe(true);
  expect(machine.leave('a', [])).toEqual([]);
  expect([sysctl('vm/nr_hugepages'), sysctl('vm/overcommit_memory')]).toEqual(['5', '0']);
  expect(existsSync(path('var/lib/kubelet'))).toBe(false);
  // It was there before.
  expect(existsSync(path('run'))).toBe(true);
  expect(existsSync(path('note.json'))).toBe(false);
});

test('of two the first that goes takes its part, the last one the rest, in either order', () => {
  for (const [first, last] of [
    ['a', 'b'],
    ['b', 'a'],
  ] as const) {
    enter('a', []);
    enter('b', ['a']);
    expect(sysctl('vm/nr_hugepages')).toBe('133');
    expect(machine.leave(first, [last])).toEqual([]);
    expect([sysctl('vm/nr_hugepages'), sysctl('vm/overcommit_memory')]).toEqual(['69', '1']);
    expect(existsSync(path('var/lib/kubelet'))).toBe(true);
    expect(machine.leave(last, [])).toEqual([]);
    expect([sysctl('vm/nr_hugepages'), sysctl('vm/overcommit_memory')]).toEqual(['5', '0']);
    expect(existsSync(path('var/lib/kubelet'))).toBe(false);
  }
});

test('what one that broke off has changed is put back by the next that comes or by the last that goes', () => {
  enter('broken', []);
  enter('b', []);
  expect(sysctl('vm/nr_hugepages')).toBe('69');
  enter('c', ['b']);
  // c breaks off.
  expect(machine.leave('b', [])).toEqual([]);
  expect([sysctl('vm/nr_hugepages'), sysctl('vm/overcommit_memory')]).toEqual(['5', '0']);
  expect(machine.leave('c', [])).toEqual([]);
  enter('d', []);
  expect(machine.leave('c', ['d'])).toEqual([]);
  expect(sysctl('vm/nr_hugepages')).toBe('69');
});

test('a directory that somebody uses by now, and a mount that stays, are named', () => {
  enter('a', []);
  write('var/lib/kubelet/theirs', '');
  write('proc/self/mountinfo', '1 1 0:1 / /var/lib/kubelet rw - tmpfs x rw');
  expect(machine.leave('a', [])).toEqual(['directory /var/lib/kubelet', 'mount /var/lib/kubelet']);
});

test('more huge pages than there is memory for: what was added is what goes', () => {
  enter('a', []);
  // The kernel gave fewer.
  write('note.json', readFileSync(path('note.json'), 'utf8').replace('"a":64', '"a":10'));
  write('proc/sys/vm/nr_hugepages', '15');
  expect(machine.leave('a', [])).toEqual([]);
  expect(sysctl('vm/nr_hugepages')).toBe('5');
});
