// SPDX-License-Identifier: Apache-2.0
//
// AdmissionReview in and out: what is answered, what is left alone, and that no JSON does more than that.

import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { UsvhostError } from '../../../lib/errors.ts';
import { review } from '../../../webhook/review.ts';
import { applied, config, podWith, reviewOf } from './support.ts';

const uid = '705ab4f5-6393-11e8-b7cc-42010a800002';
const wishing = podWith({ 'usvhost.io/inject': 'true' });
const untouched = {
  result: 'untouched',
  answer: {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: { uid, allowed: true },
  },
};

test('a pod that wishes something is answered with a patch', () => {
  const { result, answer } = review(reviewOf(wishing), false, config) as { result: string; answer: any };
  expect(result).toBe('patched');
  expect(answer).toMatchObject({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: { uid, allowed: true, patchType: 'JSONPatch' },
  });
  const patch = JSON.parse(Buffer.from(answer.response.patch, 'base64').toString());
  expect(applied(wishing, patch).spec.initContainers).toHaveLength(1);
});

test('a pod that cannot have it is refused with one message that says what to do', () => {
  const { result, answer } = review(reviewOf(podWith({ 'usvhost.io/inject': 'yes' })), false, config);
  expect(result).toBe('USV_ANNOTATION');
  expect(answer).toMatchObject({
    response: {
      uid,
      allowed: false,
      status: {
        code: 400,
        message:
          'USV_ANNOTATION: expected "true" or "false" for the annotation usvhost.io/inject, got "yes". Correct what the message names and create the pod again; the page on the webhook lists the annotations.',
      },
    },
  });
});

test('the namespace of the request counts for Multus, and the path for force', () => {
  const pod = podWith({ 'k8s.v1.cni.cncf.io/networks': 'shop/usvhost' });
  const { answer } = review(reviewOf(pod), true, config) as { answer: any };
  const patch = JSON.parse(Buffer.from(answer.response.patch, 'base64').toString());
  expect(patch.map(({ path }: any) => path)).toEqual(['/spec/initContainers']);
});

test.each([
  ['no wish', reviewOf(podWith({}))],
  ['UPDATE', reviewOf(wishing, { operation: 'UPDATE' })],
  ['DELETE, which has no object', reviewOf(null, { operation: 'DELETE' })],
  ['a part of a pod', reviewOf(wishing, { subResource: 'ephemeralcontainers' })],
  ['another kind', reviewOf(wishing, { kind: { group: 'apps', version: 'v1', kind: 'Pod' } })],
])('%s: allowed and untouched', (_, body) => {
  expect(review(body, false, config)).toEqual(untouched);
});

test.each([
  ['nothing', null],
  ['an older review', { ...reviewOf(wishing), apiVersion: 'admission.k8s.io/v1beta1' }],
  ['a review without a request', { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' }],
  ['a pod that is none', reviewOf({ spec: { containers: 'app' } })],
  ['a pod with a number as annotation', reviewOf(podWith({ a: 1 } as any))],
])('%s is no review', (_, body) => {
  expect(() => review(body, false, config)).toThrow(expect.objectContaining({ code: 'USV_REVIEW' }));
});

test('any JSON is answered or is no review', () => {
  const isolated = (body: unknown): void => {
    try {
      review(body, false, config);
    } catch (error) {
      expect(error).toBeInstanceOf(UsvhostError);
      expect(error).toMatchObject({ code: 'USV_REVIEW' });
    }
  };
  fc.assert(fc.property(fc.jsonValue(), isolated));
  fc.assert(fc.property(fc.jsonValue(), (object) => isolated(reviewOf(object))));
  fc.assert(fc.property(fc.jsonValue(), (spec) => isolated(reviewOf({ ...wishing, spec }))));
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.string()), (more) =>
      isolated(reviewOf(podWith({ 'usvhost.io/inject': 'true', ...more }))),
    ),
  );
});
