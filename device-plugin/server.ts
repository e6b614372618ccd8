// SPDX-License-Identifier: Apache-2.0
//
// The handlers of v1beta1.DevicePlugin that the kubelet calls. Decisions are made by the pool that is
// offered and in preference; this file turns messages into arguments and keeps the ListAndWatch streams.

import type { ServerWritableStream } from '@grpc/grpc-js';
import { type ErrorCode, UsvhostError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { handleUnary } from '../proto/call.ts';
import type { AllocateRequest__Output } from '../proto/gen/v1beta1/AllocateRequest.ts';
import type { ContainerAllocateResponse } from '../proto/gen/v1beta1/ContainerAllocateResponse.ts';
import type { Device } from '../proto/gen/v1beta1/Device.ts';
import type { DevicePluginHandlers } from '../proto/gen/v1beta1/DevicePlugin.ts';
import type { DevicePluginOptions } from '../proto/gen/v1beta1/DevicePluginOptions.ts';
import type { ListAndWatchResponse } from '../proto/gen/v1beta1/ListAndWatchResponse.ts';
import type { DevicePool, PoolDevice } from './pool.ts';
import { prefer } from './preference.ts';

/** Sent with Register and by GetDevicePluginOptions. */
export const pluginOptions: DevicePluginOptions = {
  pre_start_required: false,
  get_preferred_allocation_available: true,
};

/** The open ListAndWatch streams. The kubelet holds one; while it holds none it counts our devices as unhealthy. */
interface ListStreams {
  readonly size: number;
  /** Ends all streams without a last list: an empty one would take the devices from running pods. */
  close(): void;
}

export interface PluginServer {
  readonly handlers: DevicePluginHandlers;
  readonly streams: ListStreams;
}

/** What a pool of devices does for the kubelet. */
export interface OfferedPool {
  readonly pool: DevicePool;
  /** What each container gets for its device ids; all or nothing. */
  allocate(
    containers: readonly (readonly string[])[],
  ): readonly ContainerAllocateResponse[] | Promise<readonly ContainerAllocateResponse[]>;
  /** Whether the device can be given out without waiting for anything. */
  isVacant(id: string): boolean;
}

/** Counts what a device plugin does for the kubelet. */
export interface PluginObserver {
  allocated(resource: string, result: 'OK' | ErrorCode): void;
  /** The kubelet has accepted the resource. */
  registered(resource: string): void;
}

export interface PluginServerOptions extends OfferedPool {
  readonly resourceName: string;
  readonly observer?: PluginObserver | undefined;
  /** Called when the number of open ListAndWatch streams has changed. */
  readonly onStreams: (open: number) => void;
  readonly log: Logger;
}

/** Makes the handlers of one server; a new server (after a kubelet restart) needs new ones. */
export function createPluginServer(options: PluginServerOptions): PluginServer {
  const { pool, observer, resourceName: resource } = options;
  const log = options.log.child({ resource });
  const open = new Set<() => void>();
  const logFailure =
    (call: string, fields: Readonly<Record<string, unknown>> = {}) =>
    (error: unknown) => {
      const context = { call, ...fields };
      if (error instanceof UsvhostError) log.warn({ ...context, code: error.code }, error.message);
      else
        log.error(
          { ...context, code: 'USV_INTERNAL', err: error },
          'device plugin call failed by a fault of ours',
        );
    };

  const listAndWatch = (call: ServerWritableStream<unknown, ListAndWatchResponse>): void => {
    let full = false;
    let due = true;
    const send = (): void => {
      due = true;
      // A kubelet that does not read gets the newest list later, not every list.
      while (due && !full) {
        due = false;
        full = !call.write({ devices: pool.list().map(toWire) });
      }
    };
    const forget = pool.onChange(send);
    const leave = (): void => {
      forget();
      if (open.delete(end)) options.onStreams(open.size);
    };
    const end = (): void => {
      leave();
      call.end();
    };
    call.on('drain', () => {
      full = false;
      if (due) send();
    });
    for (const event of ['cancelled', 'close', 'error']) call.once(event, leave);
    open.add(end);
    send();
    options.onStreams(open.size);
  };

  return {
    handlers: {
      GetDevicePluginOptions: handleUnary(() => pluginOptions, logFailure('GetDevicePluginOptions')),
      ListAndWatch: listAndWatch,
      GetPreferredAllocation: handleUnary(
        ({ container_requests }) => ({
          container_responses: container_requests.map((request) => {
            const {
              available_deviceIDs: available,
              must_include_deviceIDs: mustInclude,
              allocation_size: size,
            } = request;
            return {
              deviceIDs: prefer({ available, mustInclude, size }, pool, (id) => options.isVacant(id)),
            };
          }),
        }),
        logFailure('GetPreferredAllocation'),
      ),
      Allocate: handleUnary(
        async (request) => {
          const containers = idsOf(request);
          const responses = await options.allocate(containers);
          log.info({ containers }, 'devices allocated');
          observer?.allocated(resource, 'OK');
          return { container_responses: [...responses] };
        },
        (error, request) => {
          logFailure('Allocate', { containers: idsOf(request) })(error);
          observer?.allocated(resource, error instanceof UsvhostError ? error.code : 'USV_INTERNAL');
        },
      ),
      PreStartContainer: handleUnary(({ devices_ids }) => {
        pool.order(devices_ids);
        return {};
      }, logFailure('PreStartContainer')),
    },
    streams: {
      get size() {
        return open.size;
      },
      close: () => {
        for (const end of open) end();
      },
    },
  };
}

function idsOf({ container_requests }: AllocateRequest__Output): string[][] {
  return container_requests.map(({ devices_ids }) => devices_ids);
}

function toWire({ id, health, numaNode }: PoolDevice): Device {
  const topology = numaNode === undefined ? null : { nodes: [{ ID: numaNode }] };
  return { ID: id, health, topology };
}
