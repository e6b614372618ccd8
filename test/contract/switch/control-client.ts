// SPDX-License-Identifier: Apache-2.0
//
// A short client of the control socket and a switch to talk to, for the contract tests of the switch.

import { once } from 'node:events';
import { pino } from 'pino';
import { NativeSwitch } from '../../../native/index.ts';
import { unary } from '../../../proto/call.ts';
import type { ListPortsResponse__Output } from '../../../proto/gen/usvhost/switch/v1/ListPortsResponse.ts';
import type { Port__Output } from '../../../proto/gen/usvhost/switch/v1/Port.ts';
import type { PortEvent__Output } from '../../../proto/gen/usvhost/switch/v1/PortEvent.ts';
import type { PortSpec } from '../../../proto/gen/usvhost/switch/v1/PortSpec.ts';
import type { RemovePortResponse__Output } from '../../../proto/gen/usvhost/switch/v1/RemovePortResponse.ts';
import type { StatsResponse__Output } from '../../../proto/gen/usvhost/switch/v1/StatsResponse.ts';
import { Switch } from '../../../proto/load.ts';
import { dial } from '../../../proto/unix.ts';
import { type SwitchDaemon, type SwitchDeps, startSwitch } from '../../../switch/daemon.ts';
import { FakeNativeSwitch } from '../../fakes/native-switch.ts';

/** Makes a data plane. */
export type DataPlane = SwitchDeps['createNative'];

export const fakeDataPlane: DataPlane = (options, onEvent) => new FakeNativeSwitch(options, onEvent);

/** The data plane with packets; needs the native build. */
export const nativeDataPlane: DataPlane = (options, onEvent) => new NativeSwitch(options, onEvent);

/** A switch for at most 8 ports. */
export function startTestSwitch(
  root: string,
  createNative: DataPlane = fakeDataPlane,
): Promise<SwitchDaemon> {
  const config = {
    root,
    cpus: [],
    maxPorts: 8,
    macTableSize: 64,
    macAgeSeconds: 300,
    idleMicros: 50,
    pollMode: 'adaptive' as const,
    handshakeMillis: 5000,
  };
  return startSwitch(config, { log: pino({ level: 'silent' }), createNative });
}

export interface Watch {
  /** The next event, in order. */
  next(): Promise<PortEvent__Output>;
  /** The next event for which `wanted` holds. */
  until(wanted: (event: PortEvent__Output) => boolean): Promise<PortEvent__Output>;
  cancel(): void;
  /** Resolves when the server has ended the stream. */
  readonly ended: Promise<unknown>;
}

export type ControlClient = ReturnType<typeof controlClient>;

export function controlClient(socketPath: string) {
  const client = dial(Switch, socketPath);
  const peer = { peer: `the switch at ${socketPath}`, unreachable: 'USV_SWITCH_UNREACHABLE' } as const;
  const options = () => ({ deadline: Date.now() + 5000 });
  return {
    addPort: (spec: PortSpec) => unary<Port__Output>((done) => client.AddPort(spec, options(), done), peer),
    removePort: async (name: string) =>
      (await unary<RemovePortResponse__Output>((done) => client.RemovePort({ name }, options(), done), peer))
        .removed,
    portNames: async () => {
      const { ports } = await unary<ListPortsResponse__Output>(
        (done) => client.ListPorts({}, options(), done),
        peer,
      );
      return ports.map(({ spec }) => spec?.name);
    },
    stats: async () => {
      const { ports } = await unary<StatsResponse__Output>((done) => client.Stats({}, options(), done), peer);
      return Object.fromEntries(Object.entries(ports).map(([name, { counters }]) => [name, counters]));
    },
    watch: (): Watch => {
      const stream = client.WatchPorts({});
      const ended = once(stream, 'end');
      // A cancelled or broken stream is no end; who waits for the end then waits in vain.
      ended.catch(() => {});
      stream.on('error', () => {});
      const next = async (): Promise<PortEvent__Output> => {
        for (;;) {
          const event: PortEvent__Output | null = stream.read();
          if (event !== null) return event;
          await once(stream, 'readable');
        }
      };
      return {
        next,
        until: async (wanted) => {
          let event = await next();
          while (!wanted(event)) event = await next();
          return event;
        },
        cancel: () => stream.cancel(),
        get ended() {
          stream.resume();
          return ended;
        },
      };
    },
    ready: () =>
      new Promise<void>((resolve, reject) => {
        client.waitForReady(Date.now() + 5000, (error) => (error === undefined ? resolve() : reject(error)));
      }),
    close: () => client.close(),
  };
}
