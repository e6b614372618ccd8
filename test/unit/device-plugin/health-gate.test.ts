// SPDX-License-Identifier: Apache-2.0
//
// Bad news waits for the grace, good news does not.

import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { HealthGate } from '../../../device-plugin/health-gate.ts';

let told: boolean[] = [];
let gate: HealthGate;

beforeEach(() => {
  jest.useFakeTimers();
  told = [];
  gate = new HealthGate({ graceMillis: 3, startGraceMillis: 30, onChange: (healthy) => told.push(healthy) });
});

afterEach(() => {
  gate.close();
  jest.useRealTimers();
});

test('nothing seen from the start is told after the long grace, once', () => {
  gate.set(false);
  jest.advanceTimersByTime(29);
  expect(told).toEqual([]);
  jest.advanceTimersByTime(1);
  gate.set(false);
  jest.advanceTimersByTime(100);
  expect(told).toEqual([false]);
});

test('a short absence is not told, however often', () => {
  gate.set(true);
  for (let round = 0; round < 5; round++) {
    gate.set(false);
    jest.advanceTimersByTime(2);
    gate.set(true);
    jest.advanceTimersByTime(100);
  }
  expect(told).toEqual([]);
});

test('a repeated report does not lengthen the grace; recovery is told at once', () => {
  gate.set(true);
  gate.set(false);
  jest.advanceTimersByTime(2);
  gate.set(false);
  jest.advanceTimersByTime(1);
  expect(told).toEqual([false]);
  gate.set(true);
  expect(told).toEqual([false, true]);
});

test('nothing is told after close', () => {
  gate.close();
  jest.advanceTimersByTime(100);
  expect(told).toEqual([]);
});
