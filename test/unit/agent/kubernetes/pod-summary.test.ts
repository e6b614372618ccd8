// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { summarize } from '../../../../agent/kubernetes/pod-summary.ts';

const resource = 'usvhost.io/port';
const metadata = { namespace: 'apps', name: 'web', uid: 'u', resourceVersion: '7' };
const pod = (more: object = {}, annotations?: object, status: object = {}): object => ({
  metadata: { ...metadata, annotations, managedFields: [{ manager: 'kubectl' }] },
  spec: { containers: [{ name: 'c', env: [{ name: 'SECRET', value: 'x' }] }], ...more },
  status,
});
const wanting = { resources: { limits: { [resource]: '1' } } };

test('keeps names and answers, and nothing else', () => {
  expect(summarize(pod(), resource)).toEqual({ metadata, ending: false, hasPorts: false, wantsPorts: false });
});

test('finds ports in containers and in sidecars', () => {
  expect(summarize(pod({ containers: [wanting] }), resource)?.hasPorts).toBe(true);
  expect(summarize(pod({ initContainers: [wanting] }), resource)?.hasPorts).toBe(true);
  expect(summarize(pod({ containers: [wanting] }), 'other.io/port')?.hasPorts).toBe(false);
});

test('reads annotations as the webhook does', () => {
  const wants = (annotations: object): boolean | undefined =>
    summarize(pod({}, annotations), resource)?.wantsPorts;
  expect(wants({ 'usvhost.io/inject': 'true' })).toBe(true);
  expect(wants({ 'usvhost.io/networks': 'fast' })).toBe(true);
  expect(wants({ 'usvhost.io/inject': 'false', 'usvhost.io/networks': 'fast' })).toBe(false);
  expect(wants({ 'usvhost.io/inject': 'yes' })).toBe(false);
  expect(wants({ 'other.io/inject': 'true' })).toBe(false);
});

test('a pod ends when it is deleted and when its containers have ended for good', () => {
  const deleted = { ...pod(), metadata: { ...metadata, deletionTimestamp: '2026-11-26T09:00:00Z' } };
  expect(summarize(deleted, resource)?.ending).toBe(true);
  expect(summarize(pod({}, {}, { phase: 'Failed' }), resource)?.ending).toBe(true);
  expect(summarize(pod({}, {}, { phase: 'Running' }), resource)?.ending).toBe(false);
});

test('never throws, whatever it is shown', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      summarize(value, resource);
    }),
  );
});
