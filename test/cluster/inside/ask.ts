// SPDX-License-Identifier: Apache-2.0
//
// One request to the API server by the agent's own client: `ask.ts KUBECONFIG METHOD PATH [BODY]` prints status and message.

import { KubernetesApi } from '../../../agent/kubernetes/api.ts';
import { loadKubeConfig } from '../../../agent/kubernetes/kube-config.ts';
import { main } from '../../../scripts/main.ts';

await main(async () => {
  const [, , kubeconfig = '', method = 'GET', path = '', body] = process.argv;
  const api = new KubernetesApi({ load: async () => loadKubeConfig(kubeconfig) });
  const answer = await api.request({
    method: method === 'PATCH' || method === 'POST' ? method : 'GET',
    path,
    ...(method === 'PATCH' ? { contentType: 'application/strategic-merge-patch+json' } : {}),
    ...(body === undefined ? {} : { body: JSON.parse(body) as object }),
  });
  const message =
    typeof answer.body === 'object' && answer.body !== null && 'message' in answer.body
      ? answer.body.message
      : '';
  process.stdout.write(`${answer.status} ${String(message)}\n`);
  return 0;
});
