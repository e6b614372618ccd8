// SPDX-License-Identifier: Apache-2.0
//
// Every file below manifests/ is one that a real API server takes, field by field: a server-side dry run, which keeps nothing, and
// kubeconform with that server's schemas, which also sees what Helm renders. The kinds of cert-manager have no schema here; of these
// only the frame is looked at.

import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { run } from '../../cli/demo/process.ts';
import { render } from '../../scripts/helm.ts';
import { projectRoot } from '../../scripts/main.ts';
import { clusterPeers } from '../../scripts/packages.ts';
import { groupNeeds } from '../support/need.ts';
import { privateDirectory } from '../support/private-directory.ts';
import { inside } from './cluster.ts';
import { kubeconform, writeSchemas } from './kubeconform.ts';
import { definition } from './multus.ts';
import { releaseNamespace } from './release.ts';
import { undoAll } from './undo.ts';

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

  describe('kubeconform', () => {
    const place = privateDirectory();
    undo.push(async () => place.remove());
    const schemas = join(place.path, 'schemas');
    const check = async (text: string): Promise<{ readonly code: number; readonly said: string }> => {
      const file = join(place.path, 'objects.yaml');
      writeFileSync(file, text);
      const { code, output, errors } = await kubeconform(schemas, file);
      return { code, said: output + errors };
    };

    // The first call on a machine builds the program.
    beforeAll(async () => writeSchemas(schemas), 600_000);

    test.each(files)(
      'takes %s',
      async (file) => {
        const text = readFileSync(join(projectRoot, file), 'utf8');
        expect(await check(text)).toEqual({ code: 0, said: '' });
      },
      600_000,
    );

    test(
      'takes what Helm makes of the chart, hooks and tests included',
      async () => {
        for (const mode of ['chained', 'multus'])
          expect(await check(await render(`--set=network.mode=${mode}`))).toEqual({ code: 0, said: '' });
      },
      millis,
    );

    test.each(Object.entries(wrong).filter(([what]) => what !== 'a value that is none'))(
      'refuses %s',
      async (_what, [object]) => {
        const { code, said } = await check(JSON.stringify(object));
        expect(said).toContain('is invalid');
        expect(code).toBe(1);
      },
    );
  });
});
