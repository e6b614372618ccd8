// SPDX-License-Identifier: Apache-2.0
//
// The kubelet's PodResources API on its real socket: pods that a test adds and removes, with or without Get, and a
// kubelet that is away.

import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { Server, status } from '@grpc/grpc-js';
import { hostPaths } from '../../lib/names.ts';
import type { PodResources } from '../../proto/gen/v1/PodResources.ts';
import type { PodResourcesListerHandlers } from '../../proto/gen/v1/PodResourcesLister.ts';
import { PodResourcesLister } from '../../proto/load.ts';
import { type ServedSocket, serve } from '../../proto/unix.ts';

export class FakePodResources {
  readonly pods: PodResources[] = [];
  /** A kubelet whose feature gate of Get is off answers it with a refusal. */
  hasGet = true;
  /** Names of the methods called so far. */
  readonly calls: string[] = [];
  readonly #socketPath: string;
  #served: ServedSocket | undefined;

  private constructor(root: string) {
    this.#socketPath = hostPaths(root).podResourcesSocket;
  }

  static async start(root: string): Promise<FakePodResources> {
    const kubelet = new FakePodResources(root);
    await kubelet.start();
    return kubelet;
  }

  async start(): Promise<void> {
    mkdirSync(dirname(this.#socketPath), { recursive: true, mode: 0o750 });
    const handlers: PodResourcesListerHandlers = {
      List: (_call, callback) => {
        this.calls.push('List');
        callback(null, { pod_resources: this.pods });
      },
      Get: ({ request }, callback) => {
        this.calls.push('Get');
        const found = this.pods.find(
          ({ name, namespace }) => name === request.pod_name && namespace === request.pod_namespace,
        );
        // As the real one: both refusals are plain errors of Go.
        if (!this.hasGet) callback({ code: status.UNKNOWN, details: 'PodResources API Get method disabled' });
        else if (found === undefined) callback({ code: status.UNKNOWN, details: 'pod not found' });
        else callback(null, { pod_resources: found });
      },
      GetAllocatableResources: (_call, callback) => callback(null, { devices: [] }),
    };
    // A server's messages have no limit; the client's has.
    const server = new Server({ 'grpc.max_send_message_length': -1 });
    server.addService(PodResourcesLister.service, handlers);
    this.#served = await serve(server, { socketPath: this.#socketPath, mode: 0o600 });
  }

  /** Adds a pod with one container that holds the devices, or replaces it. */
  add(namespace: string, name: string, devices: readonly string[], resource = 'usvhost.io/port'): void {
    this.remove(namespace, name);
    const held = [{ resource_name: resource, device_ids: [...devices] }];
    this.pods.push({ namespace, name, containers: [{ name: 'main', devices: held }] });
  }

  remove(namespace: string, name: string): void {
    const at = this.pods.findIndex((pod) => pod.name === name && pod.namespace === namespace);
    if (at !== -1) this.pods.splice(at, 1);
  }

  async stop(): Promise<void> {
    await this.#served?.close({ graceMillis: 100 });
    this.#served = undefined;
  }
}
