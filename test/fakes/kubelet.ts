// SPDX-License-Identifier: Apache-2.0
//
// The kubelet's half of the device plugin API on real sockets: it serves Registration on kubelet.sock, dials a plugin
// back, follows ListAndWatch, hands devices out by GetPreferredAllocation and Allocate, and restarts as a kubelet does:
// every socket in the directory is removed and kubelet.sock is made anew. It must not know whose plugin it talks to.

import { EventEmitter, once } from 'node:events';
import { lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type ClientReadableStream, Server, status } from '@grpc/grpc-js';
import { hostPaths } from '../../lib/names.ts';
import { unary } from '../../proto/call.ts';
import type { AllocateResponse__Output } from '../../proto/gen/v1beta1/AllocateResponse.ts';
import type { ContainerAllocateResponse__Output } from '../../proto/gen/v1beta1/ContainerAllocateResponse.ts';
import type { DevicePluginClient } from '../../proto/gen/v1beta1/DevicePlugin.ts';
import type { DevicePluginOptions__Output } from '../../proto/gen/v1beta1/DevicePluginOptions.ts';
import type { ListAndWatchResponse__Output } from '../../proto/gen/v1beta1/ListAndWatchResponse.ts';
import type { PreferredAllocationResponse__Output } from '../../proto/gen/v1beta1/PreferredAllocationResponse.ts';
import type { RegisterRequest__Output } from '../../proto/gen/v1beta1/RegisterRequest.ts';
import type { RegistrationHandlers } from '../../proto/gen/v1beta1/Registration.ts';
import { DevicePlugin, devicePluginVersion, Registration } from '../../proto/load.ts';
import { dial, type ServedSocket, serve } from '../../proto/unix.ts';

export interface FakeKubeletOptions {
  /** The kubelet's directories lie below it as below `/`. */
  readonly root: string;
}

/** What a container was given. */
export interface Allocation {
  readonly devices: readonly string[];
  readonly response: ContainerAllocateResponse__Output;
}

interface WaitOptions {
  /** Default 10 s; then the wait fails. */
  readonly timeoutMillis?: number;
}

/** One registered plugin, seen from the kubelet. */
interface Endpoint {
  readonly client: DevicePluginClient;
  readonly stream: ClientReadableStream<ListAndWatchResponse__Output>;
  readonly options: DevicePluginOptions__Output;
  readonly resource: string;
  devices: ReadonlyMap<string, string> | undefined;
  /** By device id; devices without topology are missing. */
  numaNodes: ReadonlyMap<string, number>;
  /** Lists received. */
  lists: number;
}

const deadline = (): { deadline: number } => ({ deadline: Date.now() + 10_000 });

/** Starts a kubelet that is ready for Register. */
export async function startFakeKubelet(options: FakeKubeletOptions): Promise<FakeKubelet> {
  const kubelet = new FakeKubelet(options);
  await kubelet.start();
  return kubelet;
}

export class FakeKubelet {
  readonly #paths;
  readonly #changed = new EventEmitter();
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #allocated = new Map<string, Set<string>>();
  #served: ServedSocket | undefined;

  /** Register requests so far, accepted or not. */
  readonly registrations: RegisterRequest__Output[] = [];

  /** When set, Register is refused with this text. */
  refuseWith: string | undefined;

  /** When false, a plugin that registers is accepted and not dialed back. */
  callsBack = true;

  constructor(options: FakeKubeletOptions) {
    this.#paths = hostPaths(options.root);
  }

  get directory(): string {
    return this.#paths.devicePluginDir;
  }

  /** Removes every socket in the directory, then listens. */
  async start(): Promise<void> {
    mkdirSync(this.directory, { recursive: true, mode: 0o750 });
    for (const name of readdirSync(this.directory)) {
      const path = join(this.directory, name);
      if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true) rmSync(path, { force: true });
    }
    const server = new Server();
    const handlers: RegistrationHandlers = {
      Register: (call, callback) => {
        const refusal = this.#register(call.request);
        // As from the real kubelet: a status without any code of ours.
        if (refusal === undefined) callback(null, {});
        else callback({ code: status.UNKNOWN, details: refusal });
      },
    };
    server.addService(Registration.service, handlers);
    this.#served = await serve(server, { socketPath: this.#paths.kubeletSocket, mode: 0o600 });
  }

  /** Dies: streams end, kubelet.sock goes. Which devices are allocated is remembered, as in the kubelet's checkpoint. */
  async stop(): Promise<void> {
    for (const endpoint of this.#endpoints.values()) drop(endpoint);
    this.#endpoints.clear();
    await this.#served?.close({ graceMillis: 100 });
    this.#served = undefined;
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  close(): Promise<void> {
    return this.stop();
  }

  /** Connects to the plugin, or says why not. */
  #register(request: RegisterRequest__Output): string | undefined {
    this.registrations.push(request);
    this.#changed.emit('change');
    if (this.refuseWith !== undefined) return this.refuseWith;
    if (request.version !== devicePluginVersion) return `unsupported version ${request.version}`;
    if (request.endpoint.includes('/')) return `endpoint ${request.endpoint} is not a base name`;
    if (!/^[^/]+\.[^/]+\/[^/]+$/.test(request.resource_name))
      return `invalid resource name ${request.resource_name}`;
    if (this.callsBack) this.#connect(request);
    return undefined;
  }

  #connect(request: RegisterRequest__Output): void {
    const client = dial(DevicePlugin, join(this.directory, request.endpoint));
    const stream = client.ListAndWatch({});
    const options = request.options ?? {
      pre_start_required: false,
      get_preferred_allocation_available: false,
    };
    const endpoint: Endpoint = {
      client,
      stream,
      options,
      resource: request.resource_name,
      devices: undefined,
      numaNodes: new Map(),
      lists: 0,
    };
    const former = this.#endpoints.get(endpoint.resource);
    this.#endpoints.set(endpoint.resource, endpoint);
    if (former !== undefined) drop(former);
    stream.on('data', ({ devices }: ListAndWatchResponse__Output) => {
      endpoint.devices = new Map(devices.map(({ ID, health }) => [ID, health]));
      endpoint.numaNodes = new Map(
        devices.flatMap(
          ({ ID, topology }) => topology?.nodes.map((node) => [ID, Number(node.ID)] as const) ?? [],
        ),
      );
      endpoint.lists += 1;
      this.#changed.emit('change');
    });
    // The plugin died or we dropped it: its devices count no more.
    stream.on('error', () => this.#gone(endpoint));
    stream.on('end', () => this.#gone(endpoint));
  }

  #gone(endpoint: Endpoint): void {
    if (this.#endpoints.get(endpoint.resource) !== endpoint) return;
    this.#endpoints.delete(endpoint.resource);
    drop(endpoint);
    this.#changed.emit('change');
  }

  /** Drops the connection to a plugin without a restart, as after an error on it. */
  forget(resource: string): void {
    this.#gone(this.#endpoint(resource));
  }

  /** Health by device id of what a plugin offers now; undefined when no plugin offers the resource. */
  devices(resource: string): ReadonlyMap<string, string> | undefined {
    return this.#endpoints.get(resource)?.devices;
  }

  /** The NUMA node of a device in the last list; undefined without topology. */
  numaNode(resource: string, device: string): number | undefined {
    return this.#endpoints.get(resource)?.numaNodes.get(device);
  }

  /** Lists received over the present stream of the resource. */
  lists(resource: string): number {
    return this.#endpoints.get(resource)?.lists ?? 0;
  }

  #healthy(resource: string): string[] {
    const devices = this.devices(resource) ?? new Map<string, string>();
    return [...devices].filter(([, health]) => health === 'Healthy').map(([id]) => id);
  }

  /** Waits until `condition` holds; it is looked at after each registration and each list. */
  async until(
    condition: () => boolean,
    what: string,
    { timeoutMillis = 10_000 }: WaitOptions = {},
  ): Promise<void> {
    const signal = AbortSignal.timeout(timeoutMillis);
    while (!condition()) {
      try {
        await once(this.#changed, 'change', { signal });
      } catch (error) {
        throw new Error(`kubelet: waited ${timeoutMillis} ms for ${what}`, { cause: error });
      }
    }
  }

  /** The number of healthy devices of a resource, as in Node.status.allocatable; waits for the first list. */
  async capacity(resource: string, options: WaitOptions = {}): Promise<number> {
    await this.until(() => this.devices(resource) !== undefined, `the devices of ${resource}`, options);
    return this.#healthy(resource).length;
  }

  /** Gives `count` free devices to one container. Fails as pod admission would. */
  async allocate(resource: string, count: number): Promise<Allocation> {
    await this.capacity(resource);
    const taken = this.#allocated.get(resource) ?? new Set();
    const free = this.#healthy(resource).filter((id) => !taken.has(id));
    if (free.length < count)
      throw new Error(`kubelet: ${free.length} of ${count} devices of ${resource} are free`);
    const devices = await this.#choose(resource, free, count);
    const [response] = await this.allocateDevices(resource, [devices]);
    if (response === undefined) throw new Error('kubelet: Allocate answered for no container');
    for (const id of devices) taken.add(id);
    this.#allocated.set(resource, taken);
    return { devices, response };
  }

  // A kubelet map has no order, so what is not preferred is taken from the end here.
  async #choose(resource: string, free: readonly string[], count: number): Promise<readonly string[]> {
    const { client, options } = this.#endpoint(resource);
    if (!options.get_preferred_allocation_available) return free.slice(-count);
    const request = {
      container_requests: [
        { available_deviceIDs: [...free], must_include_deviceIDs: [], allocation_size: count },
      ],
    };
    const answer = await unary<PreferredAllocationResponse__Output>(
      (done) => client.GetPreferredAllocation(request, deadline(), done),
      { peer: `the plugin of ${resource}`, unreachable: 'USV_KUBELET' },
    );
    return answer.container_responses[0]?.deviceIDs ?? [];
  }

  /** Sends Allocate for exactly these device ids of each container, known or not. */
  async allocateDevices(
    resource: string,
    containers: readonly (readonly string[])[],
  ): Promise<readonly ContainerAllocateResponse__Output[]> {
    const { client } = this.#endpoint(resource);
    const request = { container_requests: containers.map((ids) => ({ devices_ids: [...ids] })) };
    const answer = await unary<AllocateResponse__Output>(
      (done) => client.Allocate(request, deadline(), done),
      {
        peer: `the plugin of ${resource}`,
        unreachable: 'USV_KUBELET',
      },
    );
    return answer.container_responses;
  }

  /** The pod is gone: its devices are free. No call tells the plugin. */
  release(resource: string, devices: readonly string[]): void {
    for (const id of devices) this.#allocated.get(resource)?.delete(id);
  }

  /** Client of the registered plugin, for calls this class has no method for. */
  client(resource: string): DevicePluginClient {
    return this.#endpoint(resource).client;
  }

  #endpoint(resource: string): Endpoint {
    const endpoint = this.#endpoints.get(resource);
    if (endpoint === undefined) throw new Error(`kubelet: no plugin offers ${resource}`);
    return endpoint;
  }
}

function drop({ client, stream }: Endpoint): void {
  stream.cancel();
  client.close();
}
