// SPDX-License-Identifier: Apache-2.0
//
// The agent's account at the API server, as the chart makes it: its objects, a token that is bound to the node as that of a pod is,
// and a kubeconfig with it for an agent that is a process of the node.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../cli/demo/process.ts';
import { find, objectsOf } from '../contract/chart/objects.ts';
import { inside } from './cluster.ts';
import { kubeconfig } from './host/pki.ts';
import { nodeName } from './names.ts';
import { removeNodeFile, writeNodeFile } from './node-file.ts';
import { pathsIn } from './paths.ts';
import type { OnUndo } from './undo.ts';

const namespace = 'usvhost';
export const account = 'usvhost-agent';
export const accountUser = `system:serviceaccount:${namespace}:${account}`;
/** On the node. */
const file = '/run/usvhost-agent.kubeconfig';

const kinds = [
  'ClusterRole',
  'ClusterRoleBinding',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
];

async function kubectl(args: readonly string[], stdin = ''): Promise<string> {
  return run(inside(['kubectl', ...args]), { stdin });
}

/** Variables of an agent that has the account. */
export async function makeAgentAccount(onUndo: OnUndo): Promise<Record<string, string>> {
  const objects = await objectsOf('--set=webhook.enabled=false');
  const items = [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    { ...find(objects, 'ServiceAccount', account), metadata: { name: account, namespace } },
    ...objects.filter(({ kind }) => kinds.includes(kind)),
  ];
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  onUndo(async () => kubectl(['delete', '--filename=-', '--ignore-not-found'], list));
  await kubectl(['apply', '--filename=-'], list);
  const bound = ['--bound-object-kind=Node', `--bound-object-name=${nodeName}`];
  const token = await kubectl(['create', 'token', account, `--namespace=${namespace}`, ...bound]);
  const authority = readFileSync(join(pathsIn('').pki, 'ca.crt')).toString('base64');
  await writeNodeFile(file, kubeconfig(authority, { token: token.trim() }));
  onUndo(async () => removeNodeFile(file));
  return { USVHOST_AGENT_KUBECONFIG: file, USVHOST_AGENT_NODE_NAME: nodeName };
}

/** A request with the agent's account and the agent's own client; `<status> <message>` of the answer. */
export async function askAsAgent(
  method: 'GET' | 'POST' | 'PATCH',
  path: string,
  body?: object,
): Promise<string> {
  const script = join(import.meta.dirname, 'inside/ask.ts');
  const rest = body === undefined ? [] : [JSON.stringify(body)];
  return run(inside([process.execPath, script, file, method, path, ...rest]));
}
