// SPDX-License-Identifier: Apache-2.0
//
// What all examples have in common; what each does is tested in a cluster (test/cluster/helm/examples.test.ts).

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { readConfig } from '../../../cni/config.ts';
import { projectRoot } from '../../../scripts/main.ts';
import { commandsOf, exampleFile } from '../../cluster/examples.ts';
import { applied, patchOf } from '../webhook/support.ts';

const names = readdirSync(join(projectRoot, 'manifests/examples')).filter((name) => name.endsWith('.yaml'));
const readme = readFileSync(exampleFile('README.md'), 'utf8');

// Documents of Kubernetes, looked at field by field.
function objectsOf(text: string, kind: string): any[] {
  return parseAllDocuments(text)
    .map((document) => document.toJS())
    .filter((object) => object !== null && object.kind === kind);
}

test('the commands of a heading are what it indents', () => {
  expect(commandsOf('# Title\n#\n#   a \\\n#     b\n#\n#   c  # d\n# text\n---\n#   e\n')).toBe(
    'a \\\n  b\nc  # d',
  );
});

test('our own image is the one of this release', () => {
  const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8'));
  expect(readme).toContain(`\`docker.io/library/usvhost:${version}\``);
});

describe.each(names)('%s', (name) => {
  const text = readFileSync(exampleFile(name), 'utf8');
  const pods = objectsOf(text, 'Pod');

  test('is in the list, and its commands begin with applying it', () => {
    expect(readme).toContain(`[${name}](${name})`);
    expect(commandsOf(text).split('\n')[0]).toBe(`kubectl apply -f ${name}`);
    const said = commandsOf(text).match(/pod\/[\w-]+/g) ?? [];
    expect(said.toSorted()).toEqual(pods.map(({ metadata }) => `pod/${metadata.name}`).toSorted());
  });

  test('has pods that are as confined as the strictest rules demand, on one node, with known images', () => {
    const leaders = pods.filter(({ metadata }) => metadata.labels !== undefined);
    expect(leaders).toHaveLength(1);
    for (const pod of pods) {
      expect(pod.spec).toMatchObject({
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      });
      const near = pod.spec.affinity?.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0];
      if (pod !== leaders[0]) expect(near.labelSelector.matchLabels).toEqual(leaders[0].metadata.labels);
      for (const container of pod.spec.containers) {
        expect(readme).toContain(`\`${container.image}\``);
        expect(container).toMatchObject({
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
          resources: {
            requests: { cpu: expect.any(String), memory: expect.any(String) },
            limits: { cpu: expect.any(String), memory: expect.any(String) },
          },
        });
      }
    }
  });

  test('asks the webhook for what it gives', () => {
    for (const pod of pods) {
      const patched = applied(pod, patchOf(pod));
      const asked = pod.metadata.annotations['k8s.v1.cni.cncf.io/networks'];
      // Networks that are given addresses are joined once.
      if (asked !== undefined)
        expect(patched.metadata.annotations['k8s.v1.cni.cncf.io/networks']).toBe(asked);
      const all = [...(patched.spec.initContainers ?? []), ...patched.spec.containers];
      const ports = all.map(({ resources }) => Number(resources.limits['usvhost.io/port'] ?? 0));
      expect(ports.reduce((sum, each) => sum + each)).toBeGreaterThan(0);
    }
  });

  test('has networks that the plugin takes', () => {
    for (const { metadata, spec } of objectsOf(text, 'NetworkAttachmentDefinition'))
      expect(readConfig(JSON.parse(spec.config)).name).toBe(metadata.name);
  });
});
