// SPDX-License-Identifier: Apache-2.0
//
// The handlers of usvhost.switch.v1.Switch: wire messages in, wire messages out. Decisions are made in desired-ports
// and watch; this file may not touch the file system.

import type { ServerWritableStream } from '@grpc/grpc-js';
import { UsvhostError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { handleUnary } from '../proto/call.ts';
import type { Port } from '../proto/gen/usvhost/switch/v1/Port.ts';
import type { PortEvent } from '../proto/gen/usvhost/switch/v1/PortEvent.ts';
import type { SwitchHandlers } from '../proto/gen/usvhost/switch/v1/Switch.ts';
import type { DesiredPorts, PortView } from './desired-ports.ts';
import { parsePortSpec, toWireSpec } from './port-spec.ts';
import type { PortChange, WatchHub } from './watch.ts';

export interface ControlOptions {
  /** Looked up at each call: the socket's name is taken before the data plane is made. */
  readonly ports: () => DesiredPorts;
  readonly hub: WatchHub<Port>;
  readonly log: Logger;
}

function decimal(counters: Readonly<Record<string, number>>): Record<string, string> {
  return Object.fromEntries(Object.entries(counters).map(([name, value]) => [name, String(value)]));
}

/** The wire form of a port. */
export function toWirePort({ spec, status }: PortView): Port {
  return {
    spec: toWireSpec(spec),
    socket_path: status.socketPath,
    state: status.state,
    features: status.features.toString(),
    last_error: status.lastError,
    connections: status.connections,
    counters: decimal(status.counters),
  };
}

/** Makes the handlers; each failure is logged here and sent with its code. */
export function createControlHandlers(options: ControlOptions): SwitchHandlers {
  const { hub, log } = options;
  const logFailure = (call: string) => (error: unknown) => {
    if (error instanceof UsvhostError) log.warn({ call, code: error.code }, error.message);
    else log.error({ call, code: 'USV_INTERNAL', err: error }, 'request failed by a fault of ours');
  };
  return {
    AddPort: handleUnary((request) => {
      const view = options.ports().add(parsePortSpec(request));
      const port = toWirePort(view);
      if (view.added) {
        log.info({ port: view.spec.name, socket: view.status.socketPath }, 'port added');
        hub.publish({ name: view.spec.name, value: port, reason: 'added' });
      }
      return port;
    }, logFailure('AddPort')),

    RemovePort: handleUnary(({ name }) => {
      const { removed, kept } = options.ports().remove(name);
      if (kept.length > 0) {
        log.warn(
          { port: name, kept, code: 'USV_IO' },
          'port directory stays: it holds files that are not ours',
        );
      }
      if (removed) {
        log.info({ port: name }, 'port removed');
        hub.publish({ name, value: undefined, reason: 'removed' });
      }
      return { removed };
    }, logFailure('RemovePort')),

    ListPorts: handleUnary(
      () => ({ ports: options.ports().list().map(toWirePort) }),
      logFailure('ListPorts'),
    ),

    Stats: handleUnary(() => {
      const views = options.ports().list();
      const entries = views.map(
        ({ spec, status }) => [spec.name, { counters: decimal(status.counters) }] as const,
      );
      return { ports: Object.fromEntries(entries) };
    }, logFailure('Stats')),

    WatchPorts: (call) => watchPorts(call, options),
  };
}

function watchPorts(call: ServerWritableStream<unknown, PortEvent>, { hub, ports }: ControlOptions): void {
  const watcher = hub.add({
    snapshot: () => call.write({ snapshot: { ports: ports().list().map(toWirePort) } }),
    change: (change) => call.write(toEvent(change)),
    end: () => call.end(),
  });
  call.on('drain', () => watcher.drained());
  call.once('cancelled', () => watcher.leave());
  call.once('close', () => watcher.leave());
  call.once('error', () => watcher.leave());
}

function toEvent({ name, value, reason }: PortChange<Port>): PortEvent {
  return value === undefined ? { removed: name } : { changed: { port: value, reason } };
}
