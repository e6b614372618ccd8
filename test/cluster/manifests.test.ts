// SPDX-License-Identifier: Apache-2.0
//
// Every file below manifests/ is one that a real API server takes, field by field: a server-side dry run, which keeps nothing. The
// kinds of cert-manager have no schema here; of these only the frame is looked at.

import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { run } from '../../cli/demo/process.ts';
import { projectRoot } from '../../scripts/main.ts';
import { clusterPeers } from '../../scripts/packages.ts';
import { groupNeeds } from '../support/need.ts';
import { inside } from './cluster.ts';
import { definition } from './multus.ts';
import { releaseNamespace } from './release.ts';
import { undoAll } from './stage.ts';

const millis = 120_000;
/** Values of the chart are no manifest. */
const files = globSync('manifests/**/*.{yaml,yml}', { cwd: projectRoot })
  .filter((file) => basename(file) !== 'values.yaml')
  .sort();

/** A kind of which nothing is known but its name. */
function openKind(kind: string, plural: string, group: string): object {
  const schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind, plural, singular: kind.toLowerCase() },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } }],
    },
  };
}

const kinds = [
  definition,
  openKind('Certificate', 'certificates', 'cert-manager.io'),
  openKind('Issuer', 'issuers', 'cert-manager.io'),
];

function list(...items: readonly object[]): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
}

/** @throws UsvhostError USV_IO with what kubectl says */
async function kubectl(args: readonly string[], stdin?: string): Promise<string> {
  return run(inside(['kubectl', ...args]), stdin === undefined ? {} : { stdin });
}

const dryRun = ['apply', '--server-side', '--dry-run=server', '--validate=strict', '--filename=-'];

groupNeeds(...clusterPeers)('the API server', () => {
  const undo: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    // A dry run makes no namespace for what lies in it, and no kind.
    await kubectl(['create', 'namespace', releaseNamespace]);
    undo.push(async () => kubectl(['delete', 'namespace', releaseNamespace, '--timeout=90s']));
    await kubectl(['apply', '--filename=-'], list(...kinds));
    undo.push(async () => kubectl(['delete', '--filename=-'], list(...kinds)));
    await kubectl(['wait', '--for=condition=Established', '--timeout=60s', '--filename=-'], list(...kinds));
  }, millis);

  afterAll(async () => undoAll(undo), millis);

  test('has the generated manifests and the examples before it', () => {
    expect(files).toEqual(expect.arrayContaining(['manifests/chained.yaml', 'manifests/multus.yaml']));
    expect(files.some((file) => file.startsWith('manifests/examples/'))).toBe(true);
  });

  test.each(files)(
    'takes %s',
    async (file) => {
      const text = readFileSync(join(projectRoot, file), 'utf8');
      const documents = parseAllDocuments(text).filter((document) => document.contents !== null);
      const said = (await kubectl(dryRun, text)).split('\n');
      expect(said.filter((line) => line.endsWith('serverside-applied (server dry run)'))).toHaveLength(
        documents.length,
      );
    },
    millis,
  );

  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'default' } };
  const container = { name: 'c', image: 'i' };
  const wrong: Readonly<Record<string, [object, string]>> = {
    'an unknown field': [
      { ...pod, spec: { containers: [{ ...container, resource: {} }] } },
      'field not declared in schema',
    ],
    'a value that is none': [
      { ...pod, spec: { containers: [{ ...container, imagePullPolicy: 'Sometimes' }] } },
      'Unsupported value: "Sometimes"',
    ],
    'a network whose field has the wrong kind': [
      {
        apiVersion: 'k8s.cni.cncf.io/v1',
        kind: 'NetworkAttachmentDefinition',
        metadata: { name: 'n', namespace: 'default' },
        spec: { config: {} },
      },
      'spec.config',
    ],
  };
  test.each(Object.entries(wrong))('refuses %s', async (_what, [object, message]) => {
    await expect(kubectl(dryRun, JSON.stringify(object))).rejects.toThrow(message);
  });
});
