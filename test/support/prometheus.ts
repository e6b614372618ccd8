// SPDX-License-Identifier: Apache-2.0
//
// A real Prometheus for a test: it reads one target each second, with the labels that the chart's monitors give, and judges the chart's
// alerts. Everything of it is in a temporary directory.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import * as z from 'zod';
import { findProgram } from '../../scripts/packages.ts';
import { rulesFile } from './alerts.ts';
import { eventually } from './eventually.ts';

const answer = z.object({ status: z.string(), error: z.string().optional(), data: z.unknown() });
const vector = z.object({
  result: z.array(
    z.object({ metric: z.record(z.string(), z.string()), value: z.tuple([z.number(), z.string()]) }),
  ),
});
const alerts = z.object({
  alerts: z.array(z.object({ labels: z.record(z.string(), z.string()), state: z.string() })),
});

type Result = z.output<typeof vector>['result'];

/** Of a moment ago; somebody else could take it meanwhile, and then Prometheus ends and says so. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

export class RunningPrometheus {
  readonly #url: string;
  readonly #end: () => Promise<void>;

  private constructor(url: string, end: () => Promise<void>) {
    this.#url = url;
    this.#end = end;
  }

  /** Returns when it answers. `labels`: of the target. */
  static async start(target: string, labels: Readonly<Record<string, string>>): Promise<RunningPrometheus> {
    const directory = mkdtempSync(join(tmpdir(), 'usv-prometheus-'));
    const config = {
      global: { scrape_interval: '1s', evaluation_interval: '1s' },
      rule_files: [rulesFile],
      scrape_configs: [{ job_name: 'target', static_configs: [{ targets: [target], labels }] }],
    };
    writeFileSync(join(directory, 'prometheus.yaml'), stringify(config));
    const address = `127.0.0.1:${await freePort()}`;
    const child = spawn(
      findProgram('prometheus') ?? 'prometheus',
      [
        `--config.file=${join(directory, 'prometheus.yaml')}`,
        `--storage.tsdb.path=${join(directory, 'data')}`,
        `--web.listen-address=${address}`,
        '--log.level=warn',
      ],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    const ended = once(child, 'exit');
    const running = new RunningPrometheus(`http://${address}`, async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await ended;
      rmSync(directory, { recursive: true, force: true });
    });
    try {
      await eventually(
        () =>
          fetch(`http://${address}/-/ready`).then(
            ({ ok }) => ok,
            () => child.exitCode !== null,
          ),
        (ready) => ready,
        'a Prometheus that is ready',
        { millis: 60_000, stepMillis: 100 },
      );
      return running;
    } catch (error) {
      await running.close();
      throw error;
    }
  }

  /** What an expression is now. @throws Error with Prometheus's words when it is none */
  async query(expression: string): Promise<Result> {
    return vector.parse(await this.#get(`query?query=${encodeURIComponent(expression)}`)).result;
  }

  /** Alerts that are pending or firing, as `UsvhostSwitchDown pending`. */
  async alerts(): Promise<string[]> {
    const found = alerts.parse(await this.#get('alerts')).alerts;
    return found.map(({ labels, state }) => `${labels['alertname']} ${state}`).sort();
  }

  close(): Promise<void> {
    return this.#end();
  }

  async #get(path: string): Promise<unknown> {
    const { status, error, data } = answer.parse(await (await fetch(`${this.#url}/api/v1/${path}`)).json());
    if (status !== 'success') throw new Error(`${path}: ${error}`);
    return data;
  }
}
