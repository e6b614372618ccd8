// SPDX-License-Identifier: Apache-2.0
//
// AdmissionReview (admission.k8s.io/v1) in and out. What is no review at all is an error of the request; a pod that cannot
// have what it wishes is an answer.

import * as z from 'zod/mini';
import type { WebhookConfig } from '../lib/config/webhook.ts';
import { UsvhostError, usvError } from '../lib/errors.ts';
import { mutate } from './mutation.ts';
import { podSchema } from './pod.ts';

const reviewSchema = z.looseObject({
  apiVersion: z.literal('admission.k8s.io/v1'),
  kind: z.literal('AdmissionReview'),
  request: z.looseObject({
    uid: z.string().check(z.maxLength(256)),
    operation: z.string(),
    kind: z.looseObject({ group: z.string(), version: z.string(), kind: z.string() }),
    subResource: z.optional(z.nullable(z.string())),
    namespace: z.optional(z.nullable(z.string())),
    object: z.optional(z.unknown()),
  }),
});
type ReviewRequest = z.output<typeof reviewSchema>['request'];

export interface Review {
  /** `patched`, `untouched` or the code of the error. */
  readonly result: string;
  /** The AdmissionReview that answers. */
  readonly answer: object;
}

/** @throws UsvhostError USV_REVIEW for everything that is no review of the form which the API server sends */
export function review(body: unknown, forced: boolean, config: WebhookConfig): Review {
  const parsed = reviewSchema.safeParse(body);
  if (!parsed.success) throw notA('an AdmissionReview of admission.k8s.io/v1', parsed.error);
  const { request } = parsed.data;
  if (!isNewPod(request)) return answered(request, 'untouched', { allowed: true });
  const pod = podSchema.safeParse(request.object);
  if (!pod.success) throw notA('a pod', pod.error);
  try {
    const operations = mutate(pod.data, { namespace: request.namespace ?? 'default', forced }, config);
    if (operations.length === 0) return answered(request, 'untouched', { allowed: true });
    const patch = Buffer.from(JSON.stringify(operations)).toString('base64');
    return answered(request, 'patched', { allowed: true, patchType: 'JSONPatch', patch });
  } catch (error) {
    if (!(error instanceof UsvhostError) || error.code !== 'USV_ANNOTATION') throw error;
    const message = `${error.message}. ${error.next}`;
    const status = { code: 400, reason: 'BadRequest', message };
    return answered(request, error.code, { allowed: false, status });
  }
}

function isNewPod({ operation, kind, subResource }: ReviewRequest): boolean {
  const isPod = kind.group === '' && kind.version === 'v1' && kind.kind === 'Pod';
  return operation === 'CREATE' && isPod && !subResource;
}

function answered({ uid }: ReviewRequest, result: string, response: object): Review {
  const answer = {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: { uid, ...response },
  };
  return { result, answer };
}

function notA(expected: string, { issues: [issue] }: z.core.$ZodError): UsvhostError {
  return usvError('USV_REVIEW', {
    what: issue?.path.join('.') || 'the body',
    expected: `what ${expected} has`,
    got: issue?.message ?? 'something else',
  });
}
