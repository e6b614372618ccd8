// SPDX-License-Identifier: Apache-2.0
//
// Certificates of a cluster: its authority, one more for the front proxy, a leaf for each program, the key of service accounts,
// and a kubeconfig for each client. All of it is made anew with each cluster and is valid for 30 days.

import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../../cli/demo/process.ts';
import { nodeAddress, nodeName, serviceAddress } from '../names.ts';

interface Leaf {
  readonly subject: string;
  readonly usage: 'clientAuth' | 'serverAuth';
  readonly names?: string;
  /** Default: the cluster's. */
  readonly authority?: 'ca' | 'front-proxy-ca';
}

const nodeSubject = `/O=system:nodes/CN=system:node:${nodeName}`;
const serviceNames = ['', '.default', '.default.svc', '.default.svc.cluster.local'].map(
  (suffix) => `DNS:kubernetes${suffix}`,
);

const leaves: Readonly<Record<string, Leaf>> = {
  apiserver: {
    subject: '/CN=kube-apiserver',
    usage: 'serverAuth',
    names: [
      'DNS:localhost',
      ...serviceNames,
      'IP:127.0.0.1',
      `IP:${serviceAddress}`,
      `IP:${nodeAddress}`,
    ].join(','),
  },
  'kubelet-serving': {
    subject: nodeSubject,
    usage: 'serverAuth',
    names: `DNS:${nodeName},IP:${nodeAddress}`,
  },
  'apiserver-to-kubelet': { subject: '/O=system:masters/CN=apiserver-to-kubelet', usage: 'clientAuth' },
  'front-proxy': { subject: '/CN=front-proxy', usage: 'clientAuth', authority: 'front-proxy-ca' },
  admin: { subject: '/O=system:masters/CN=admin', usage: 'clientAuth' },
  kubelet: { subject: nodeSubject, usage: 'clientAuth' },
  'controller-manager': { subject: '/CN=system:kube-controller-manager', usage: 'clientAuth' },
  scheduler: { subject: '/CN=system:kube-scheduler', usage: 'clientAuth' },
  proxy: { subject: '/CN=system:kube-proxy', usage: 'clientAuth' },
};
const clients = ['admin', 'kubelet', 'controller-manager', 'scheduler', 'proxy'];

/** Fills `directory`. @throws UsvhostError USV_IO when openssl fails */
export async function makePki(directory: string): Promise<void> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = (name: string): string => join(directory, name);
  // The machine's own configuration would add extensions of its choice.
  writeFileSync(file('openssl.cnf'), '[req]\ndistinguished_name=dn\n[dn]\n');

  const certify = async (
    name: string,
    subject: string,
    extensions: readonly string[],
    rest: readonly string[],
  ) =>
    run([
      'openssl',
      ...['req', '-x509', '-config', file('openssl.cnf'), '-days', '30', '-noenc'],
      ...['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'],
      ...['-keyout', file(`${name}.key`), '-out', file(`${name}.crt`), '-subj', subject],
      ...extensions.flatMap((extension) => ['-addext', extension]),
      ...rest,
    ]);
  const authority = async (name: string) =>
    certify(
      name,
      `/CN=${name}`,
      ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign'],
      [],
    );
  const leaf = async (name: string, { subject, usage, names, authority: issuer = 'ca' }: Leaf) => {
    const extensions = ['basicConstraints=critical,CA:FALSE', 'keyUsage=critical,digitalSignature'];
    const about = [`extendedKeyUsage=${usage}`, ...(names === undefined ? [] : [`subjectAltName=${names}`])];
    const signer = ['-CA', file(`${issuer}.crt`), '-CAkey', file(`${issuer}.key`)];
    await certify(name, subject, [...extensions, ...about], signer);
  };

  // The front proxy must not share the clients' authority: whoever holds a client certificate could claim any identity.
  await Promise.all(['ca', 'front-proxy-ca'].map(authority));
  await Promise.all(Object.entries(leaves).map(async ([name, plan]) => leaf(name, plan)));
  const accounts = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  writeFileSync(file('accounts.key'), accounts.privateKey.export({ type: 'sec1', format: 'pem' }), {
    mode: 0o600,
  });
  writeFileSync(file('accounts.pub'), accounts.publicKey.export({ type: 'spki', format: 'pem' }));
  for (const client of clients) writeKubeconfig(file, client);
}

function writeKubeconfig(file: (name: string) => string, client: string): void {
  const data = (name: string): string => readFileSync(file(name)).toString('base64');
  const document = kubeconfig(data('ca.crt'), {
    'client-certificate-data': data(`${client}.crt`),
    'client-key-data': data(`${client}.key`),
  });
  writeFileSync(file(`${client}.kubeconfig`), document, { mode: 0o600 });
}

/** A kubeconfig for one user, in JSON, which is YAML too. `authority` is base64. */
export function kubeconfig(authority: string, user: Readonly<Record<string, string>>): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      { name: 'c', cluster: { server: 'https://127.0.0.1:6443', 'certificate-authority-data': authority } },
    ],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'c',
  });
}
