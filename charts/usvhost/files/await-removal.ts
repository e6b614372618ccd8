// SPDX-License-Identifier: Apache-2.0
//
// Ends when the DaemonSet of removal.yaml is ready on every node, that is, when each has taken the plugin back. It watches that
// one object and reads nothing else. It goes into a manifest as it is, so it imports nothing of ours.

import { readFileSync } from 'node:fs';

interface DaemonSetEvent {
  readonly type: string;
  readonly object: {
    readonly message?: string;
    readonly metadata?: { readonly generation?: number };
    readonly status?: {
      readonly observedGeneration?: number;
      readonly desiredNumberScheduled?: number;
      readonly numberReady?: number;
    };
  };
}

const environment = (name: string): string => process.env[name] ?? '';
const daemonSet = environment('DAEMON_SET');

function address(): string {
  const host = environment('KUBERNETES_SERVICE_HOST');
  const server = `https://${host.includes(':') ? `[${host}]` : host}:${environment('KUBERNETES_SERVICE_PORT')}`;
  const query = new URLSearchParams({ watch: '1', fieldSelector: `metadata.name=${daemonSet}` });
  return `${server}/apis/apps/v1/namespaces/${environment('NAMESPACE')}/daemonsets?${query.toString()}`;
}

/** Whether this event is the last one to wait for; says how far it is. */
function isDone({ type, object }: DaemonSetEvent): boolean {
  if (type === 'ERROR') throw new Error(`the API server says: ${object.message}`);
  if (type === 'DELETED') throw new Error(`DaemonSet ${daemonSet} is gone`);
  const { observedGeneration = 0, desiredNumberScheduled = 0, numberReady = 0 } = object.status ?? {};
  if (observedGeneration < (object.metadata?.generation ?? 1)) return false;
  process.stdout.write(`plugin removed on ${numberReady} of ${desiredNumberScheduled} nodes\n`);
  return numberReady >= desiredNumberScheduled;
}

/** One watch. The API server ends it after some minutes; the next one begins with what is. */
async function watch(): Promise<boolean> {
  const token = readFileSync(`${environment('ACCOUNT_DIRECTORY')}/token`, 'utf8').trim();
  const response = await fetch(address(), { headers: { authorization: `Bearer ${token}` } });
  if (!response.ok || response.body === null)
    throw new Error(`the API server says: ${response.status} ${await response.text()}`);
  let rest = '';
  for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + part).split('\n');
    rest = lines.pop() ?? '';
    if (lines.some((line) => line !== '' && isDone(JSON.parse(line) as DaemonSetEvent))) return true;
  }
  return false;
}

let done = false;
while (!done) done = await watch();
// The last watch is still open.
process.exit(0);
