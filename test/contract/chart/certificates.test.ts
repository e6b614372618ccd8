// SPDX-License-Identifier: Apache-2.0
//
// The certificates that the chart makes: good for what they are for, kept over upgrades, renewed before their end, and then with the former
// CA beside the new one.

import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, expect } from '@jest/globals';
import { buildHelm } from '../../../scripts/helm.ts';
import { type FakeSecrets, startFakeSecrets } from '../../fakes/kubernetes-secrets.ts';
import { groupNeeds, needs } from '../../support/need.ts';
import { find, type KubernetesObject, objectsOf } from './objects.ts';

const test = needs('go');
const name = 'usvhost-webhook-tls';
const renewAfter = 'usvhost.io/renew-after';
/** What Helm writes on everything that it makes. */
const ownership = { 'meta.helm.sh/release-name': 'usvhost', 'meta.helm.sh/release-namespace': 'usvhost' };

const pem = (secret: KubernetesObject, key: string): string =>
  Buffer.from(secret.data[key] ?? '', 'base64').toString();
const fingerprints = (text: string): string[] =>
  text
    .split(/(?<=-----END CERTIFICATE-----\n)/)
    .filter((each) => each !== '')
    .map((each) => new X509Certificate(each).fingerprint256);

groupNeeds('go')('certificates of the chart', () => {
  let cluster: FakeSecrets;

  beforeAll(async () => {
    await buildHelm();
    cluster = await startFakeSecrets();
  }, 900_000);
  afterAll(() => cluster.close());

  /** An upgrade on a cluster that has `before`, given as it was made, or with another time for the next ones. */
  async function upgrade(before?: KubernetesObject, time?: string): Promise<KubernetesObject> {
    cluster.secrets.clear();
    if (before !== undefined) {
      const annotations = {
        ...before.metadata.annotations,
        ...ownership,
        ...(time === undefined ? {} : { [renewAfter]: time }),
      };
      cluster.secrets.set(`usvhost/${name}`, { ...before, metadata: { ...before.metadata, annotations } });
    }
    const objects = await objectsOf(
      '--dry-run=server',
      '--disable-openapi-validation',
      `--kube-apiserver=${cluster.url}`,
    );
    const secret = find(objects, 'Secret', name);
    const { webhooks } = find(objects, 'MutatingWebhookConfiguration', 'usvhost-usvhost-webhook');
    for (const { clientConfig } of webhooks) expect(clientConfig.caBundle).toBe(secret.data['ca.crt']);
    return secret;
  }

  test('are for the name by which the API server calls, and of the CA', async () => {
    const secret = await upgrade();
    const certificate = new X509Certificate(pem(secret, 'tls.crt'));
    const authority = new X509Certificate(pem(secret, 'ca.crt'));
    expect(certificate.checkHost('usvhost-webhook.usvhost.svc')).toBe('usvhost-webhook.usvhost.svc');
    expect(certificate.verify(authority.publicKey)).toBe(true);
    const renewal = Number(secret.metadata.annotations?.[renewAfter]) * 1000;
    expect(renewal).toBeGreaterThan(Date.now());
    expect(renewal).toBeLessThan(certificate.validToDate.getTime());
  });

  test('stay as they are over an upgrade', async () => {
    const first = await upgrade();
    const second = await upgrade(first);
    expect(second.data).toEqual(first.data);
    expect(second.metadata.annotations).toEqual(first.metadata.annotations);
  });

  test('are others when their time comes, and the former CA counts once more', async () => {
    const first = await upgrade();
    const second = await upgrade(first, '1');
    expect(second.data['tls.crt']).not.toBe(first.data['tls.crt']);
    const [own = '', former] = fingerprints(pem(second, 'ca.crt'));
    expect(former).toBe(fingerprints(pem(first, 'ca.crt'))[0]);
    expect(
      new X509Certificate(pem(second, 'tls.crt')).verify(
        new X509Certificate(pem(second, 'ca.crt')).publicKey,
      ),
    ).toBe(true);
    const third = await upgrade(second, '1');
    expect(fingerprints(pem(third, 'ca.crt')).slice(1)).toEqual([own]);
  });
});
