// SPDX-License-Identifier: Apache-2.0
//
// Which pod holds which of our devices, asked from the kubelet (PodResources API v1). It remembers nothing between two
// calls: the kubelet's answer is the only truth. It must not be used to tell that a pod is gone because a call failed.

import { type ClientUnaryCall, type requestCallback, status } from '@grpc/grpc-js';
import { UsvhostError } from '../lib/errors.ts';
import { unary } from '../proto/call.ts';
import type { GetPodResourcesResponse__Output } from '../proto/gen/v1/GetPodResourcesResponse.ts';
import type { ListPodResourcesResponse__Output } from '../proto/gen/v1/ListPodResourcesResponse.ts';
import type { PodResources__Output } from '../proto/gen/v1/PodResources.ts';
import { PodResourcesLister } from '../proto/load.ts';
import { dial } from '../proto/unix.ts';

/** A node full of pods with pinned CPUs exceeds gRPC's 4 MiB. */
const maxMessageBytes = 16 << 20;

export interface PodResourcesOptions {
  /** <kubelet>/pod-resources/kubelet.sock */
  readonly socketPath: string;
  /** Extended resource whose devices are ours. */
  readonly resourceName: string;
  /** Longest wait for an answer. Default 2000. */
  readonly deadlineMillis?: number;
}

/** A pod that the kubelet has, with the devices of our resource that its containers hold. */
export interface ListedPod {
  readonly namespace: string;
  readonly name: string;
  readonly devices: readonly string[];
}

/** The same, with how many devices of each resource, ours or not, its containers hold. */
export interface HoldingPod extends ListedPod {
  /** Its devices, container by container. */
  readonly containers: readonly (readonly string[])[];
  readonly held: ReadonlyMap<string, number>;
}

export class PodResources {
  readonly #options: PodResourcesOptions;
  readonly #client: InstanceType<typeof PodResourcesLister>;

  constructor(options: PodResourcesOptions) {
    this.#options = options;
    this.#client = dial(PodResourcesLister, options.socketPath, { maxMessageBytes });
  }

  /**
   * Ids of our devices that any container of the pod holds, in the kubelet's order; none for a pod that it does not have.
   * Throws USV_KUBELET.
   */
  async devicesOfPod(namespace: string, name: string): Promise<readonly string[]> {
    return (await this.containersOfPod(namespace, name)).flat();
  }

  /** The same, container by container; one without a device of ours has an empty list. Throws USV_KUBELET. */
  async containersOfPod(namespace: string, name: string): Promise<readonly (readonly string[])[]> {
    try {
      const request = { pod_namespace: namespace, pod_name: name };
      const { pod_resources: pod } = await this.#call<GetPodResourcesResponse__Output>((options, done) =>
        this.#client.Get(request, options, done),
      );
      if (pod !== null) return this.#containers(pod);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      // A kubelet without Get says so, and one with it says in the same way that it has no such pod.
    }
    const pods = await this.listPods();
    return pods.find((pod) => pod.namespace === namespace && pod.name === name)?.containers ?? [];
  }

  /** Every pod that the kubelet has. Throws USV_KUBELET. */
  async listPods(): Promise<readonly HoldingPod[]> {
    const { pod_resources: pods } = await this.#call<ListPodResourcesResponse__Output>((options, done) =>
      this.#client.List({}, options, done),
    );
    return pods.map((pod) => {
      const containers = this.#containers(pod);
      const { namespace, name } = pod;
      return { namespace, name, containers, devices: containers.flat(), held: heldBy(pod) };
    });
  }

  close(): void {
    this.#client.close();
  }

  #containers(pod: PodResources__Output): string[][] {
    return pod.containers.map(({ devices }) =>
      devices
        .filter(({ resource_name: resource }) => resource === this.#options.resourceName)
        .flatMap(({ device_ids: ids }) => ids),
    );
  }

  #call<Response>(
    start: (options: { readonly deadline: Date }, done: requestCallback<Response>) => ClientUnaryCall,
  ): Promise<Response> {
    const { socketPath, deadlineMillis } = this.#options;
    const deadline = new Date(Date.now() + (deadlineMillis ?? 2000));
    return unary<Response>((done) => start({ deadline }, done), {
      peer: `the kubelet at ${socketPath}`,
      unreachable: 'USV_KUBELET',
    });
  }
}

function heldBy(pod: PodResources__Output): Map<string, number> {
  const held = new Map<string, number>();
  // A resource may come in several entries, one for each NUMA node.
  for (const { resource_name: resource, device_ids: ids } of pod.containers.flatMap(({ devices }) => devices))
    held.set(resource, (held.get(resource) ?? 0) + ids.length);
  return held;
}

/** The kubelet answered, with a refusal: unlike one that is away or too slow. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof UsvhostError)) return false;
  const code = grpcCode(error.cause);
  return code === status.UNIMPLEMENTED || code === status.UNKNOWN || code === status.NOT_FOUND;
}

function grpcCode(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}
