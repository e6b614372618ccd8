// SPDX-License-Identifier: Apache-2.0
//
// `usvhost webhook`: reads the configuration, then serves admission reviews until it is told to stop. Nothing is loaded
// before the command is chosen.

import type { Command } from 'commander';
import { stopSignal } from '../stop-signal.ts';

const examples = `
Examples:
  usvhost webhook --config /etc/usvhost/webhook.json
                      certificate and key in /etc/usvhost/tls, reviews on port 8443
  usvhost webhook --image registry.example/usvhost:1 --certificate /tmp/tls.crt --key /tmp/tls.key --port 9443
                      the same by hand

The API server posts each new pod to /mutate, or to /mutate/force for namespaces whose pods all want a port. Pods are changed
by their annotations usvhost.io/inject, usvhost.io/networks and others (docs/webhook.md). Certificate and key are read again
when they change. SIGTERM and SIGINT stop it after the reviews under way. Every field of the configuration can also be set
in the environment, for example USVHOST_WEBHOOK_IMAGE.`;

function parseCount(text: string): number {
  return /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
}

interface Flags extends Readonly<Record<string, unknown>> {
  readonly config?: string;
}

export function register(program: Command): void {
  program
    .command('webhook')
    .description('serve the admission webhook that gives pods their ports by annotation')
    .option('--image <image>', 'image of the sidecars')
    .option('--port <n>', 'TCP port for the API server (default: 8443)', parseCount)
    .option('--certificate <file>', 'certificate with its chain, PEM')
    .option('--key <file>', "the certificate's key, PEM")
    .option('--config <file>', 'JSON file with the fields of the configuration')
    .addHelpText('after', examples)
    .action(run);
}

async function run({ config: file, ...flags }: Flags): Promise<void> {
  const [{ loadConfig }, { webhookConfigSchema }, { createLogger }, { runWebhook }] = await Promise.all([
    import('../../lib/config/load.ts'),
    import('../../lib/config/webhook.ts'),
    import('../../lib/log.ts'),
    import('../../webhook/daemon.ts'),
  ]);
  const config = loadConfig(webhookConfigSchema, { role: 'webhook', file, env: process.env, flags });
  await runWebhook(config, { log: createLogger('webhook') }, stopSignal());
}
