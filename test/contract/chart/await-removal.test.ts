// SPDX-License-Identifier: Apache-2.0
//
// The job that waits until every node has taken the plugin back, started as its manifest does, against an API server of one object.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect } from '@jest/globals';
import { projectRoot } from '../../../scripts/main.ts';
import { groupNeeds, needs } from '../../support/need.ts';

const test = needs('openssl');
const program = readFileSync(join(projectRoot, 'charts/usvhost/files/await-removal.ts'), 'utf8');

/** An event of a watch; two nodes of which `ready` are. */
function event(ready: number, observedGeneration = 1): object {
  const status = { observedGeneration, desiredNumberScheduled: 2, numberReady: ready };
  return { type: 'MODIFIED', object: { metadata: { generation: 1 }, status } };
}

groupNeeds('openssl')('the wait for the removal', () => {
  let directory = '';
  let server: Server | undefined;
  let child: ChildProcess | undefined;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'usvhost-removal-'));
    const subject = ['-subj', '/CN=api', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const files = ['-keyout', join(directory, 'key.pem'), '-out', join(directory, 'ca.crt')];
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    execFileSync('openssl', ['req', '-x509', '-days', '1', ...key, ...subject, ...files], {
      stdio: 'ignore',
    });
    writeFileSync(join(directory, 'token'), 'of-the-account\n');
  });
  afterEach(() => {
    child?.kill('SIGKILL');
    server?.closeAllConnections();
    server?.close();
    rmSync(directory, { recursive: true });
  });

  /** Answers the n-th watch with the n-th list of events; the last one stays open. Returns what was asked. */
  async function serve(status: number, ...watches: readonly (readonly object[])[]): Promise<string[]> {
    const asked: string[] = [];
    const [key, cert] = ['key.pem', 'ca.crt'].map((name) => readFileSync(join(directory, name)));
    server = createServer({ key, cert }, (request, response) => {
      const events = watches[asked.length] ?? [];
      asked.push(`${request.headers.authorization} ${request.url}`);
      response.writeHead(status);
      // In two parts that end nowhere in particular.
      const lines = events.map((each) => `${JSON.stringify(each)}\n`).join('');
      response.write(lines.slice(0, 25));
      response.write(lines.slice(25));
      if (asked.length < watches.length || status !== 200) response.end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return asked;
  }

  async function wait(): Promise<{ code: number | null; output: string; errors: string }> {
    const address = server?.address() as AddressInfo | undefined;
    const env = {
      DAEMON_SET: 'usvhost-removal',
      NAMESPACE: 'usvhost',
      ACCOUNT_DIRECTORY: directory,
      NODE_EXTRA_CA_CERTS: join(directory, 'ca.crt'),
      KUBERNETES_SERVICE_HOST: '127.0.0.1',
      KUBERNETES_SERVICE_PORT: String(address?.port),
    };
    const started = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child = started;
    const [output, errors] = await Promise.all([
      text(started.stdout),
      text(started.stderr),
      once(started, 'close'),
    ]);
    return { code: started.exitCode, output, errors };
  }

  test('ends when every node is ready, not before the controller has seen the object', async () => {
    const asked = await serve(200, [event(0, 0), event(1), event(2)]);
    expect(await wait()).toMatchObject({
      code: 0,
      output: 'plugin removed on 1 of 2 nodes\nplugin removed on 2 of 2 nodes\n',
    });
    const path = '/apis/apps/v1/namespaces/usvhost/daemonsets';
    expect(asked).toEqual([
      `Bearer of-the-account ${path}?watch=1&fieldSelector=metadata.name%3Dusvhost-removal`,
    ]);
  });

  test('watches again when the API server ends a watch', async () => {
    const asked = await serve(200, [event(1)], [event(2)]);
    expect((await wait()).code).toBe(0);
    expect(asked).toHaveLength(2);
  });

  test('says what the API server refuses', async () => {
    await serve(403, [{ message: 'forbidden: daemonsets' }]);
    const { code, errors } = await wait();
    expect(code).toBe(1);
    expect(errors).toContain('the API server says: 403 {"message":"forbidden: daemonsets"}');
  });

  test('does not wait for an object that is gone', async () => {
    await serve(200, [event(1), { type: 'DELETED', object: {} }]);
    const { code, errors } = await wait();
    expect(code).toBe(1);
    expect(errors).toContain('DaemonSet usvhost-removal is gone');
  });
});
