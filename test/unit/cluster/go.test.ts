// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { moduleFile } from '../../cluster/go.ts';
import { versions } from '../../cluster/versions.ts';

const kubernetes = `module k8s.io/kubernetes

go 1.26.0

godebug default=go1.26

require (
	go.etcd.io/etcd/server/v3 v3.7.0
	k8s.io/api v0.0.0
)

replace (
	k8s.io/api => ./staging/src/k8s.io/api
	k8s.io/kubelet => ./staging/src/k8s.io/kubelet
	example.org/other => example.org/fork v1.0.0
)
`;

test('the joint module speaks Kubernetes’ own Go and takes its staging modules as they are published', () => {
  const lines = moduleFile(kubernetes).trimEnd().split('\n');
  const staging = versions.kubernetes.replace('v1.', 'v0.');
  expect(lines).toContain('go 1.26.0');
  expect(lines).toContain('godebug default=go1.26');
  expect(lines).toContain(`require k8s.io/kubernetes ${versions.kubernetes}`);
  expect(lines.filter((line) => line.startsWith('replace'))).toEqual([
    `replace k8s.io/api => k8s.io/api ${staging}`,
    `replace k8s.io/kubelet => k8s.io/kubelet ${staging}`,
  ]);
});
