// SPDX-License-Identifier: Apache-2.0
//
// A switch without a data plane for tests of its clients: a real gRPC server of proto/switch.proto on the root's real
// socket, real port directories and listening vhost.sock files; a port that connects only has its directory. It can be
// stopped, restarted empty, and made to refuse.

import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type Server as NetServer } from 'node:net';
import { Server, type ServerWritableStream } from '@grpc/grpc-js';
import { type ErrorCode, usvFailure } from '../../lib/errors.ts';
import { hostPaths } from '../../lib/names.ts';
import { handleUnary } from '../../proto/call.ts';
import type { Port } from '../../proto/gen/usvhost/switch/v1/Port.ts';
import type { PortEvent } from '../../proto/gen/usvhost/switch/v1/PortEvent.ts';
import type { PortSpec__Output } from '../../proto/gen/usvhost/switch/v1/PortSpec.ts';
import { Switch } from '../../proto/load.ts';
import { type ServedSocket, serve } from '../../proto/unix.ts';

export interface FakeSwitch {
  /** Specs by port name. */
  readonly ports: ReadonlyMap<string, PortSpec__Output>;
  /** What the switch says of every port from now on, beside its spec and path. */
  say(status: Omit<Port, 'spec' | 'socket_path'>): void;
  /** From now on it ignores what a switch of an older release does not know: the network of a port. */
  becomeOld(): void;
  /** The next AddPort fails with this code. */
  refuseNext(code: ErrorCode): void;
  /** Ends as kill -9 would: calls cut, ports forgotten, directories left. */
  kill(): Promise<void>;
  /** Starts again, empty. */
  start(): Promise<void>;
  /** Resolves when the port is there. */
  untilPort(name: string): Promise<void>;
}

export async function startFakeSwitch(root: string): Promise<FakeSwitch> {
  const paths = hostPaths(root);
  const ports = new Map<string, PortSpec__Output>();
  const sockets = new Map<string, NetServer>();
  const watchers = new Set<ServerWritableStream<unknown, PortEvent>>();
  const waiters = new Set<() => void>();
  let old = false;
  let refusal: ErrorCode | undefined;
  let grpc: Server | undefined;
  let served: ServedSocket | undefined;

  let status: Omit<Port, 'spec' | 'socket_path'> = {};
  const wirePort = (spec: PortSpec__Output): Port => ({
    spec,
    socket_path: paths.portSocket(spec.name),
    state: spec.role === 'connect' ? 'connecting' : 'listening',
    ...status,
  });

  const listen = async ({ name, socket_mode }: PortSpec__Output): Promise<void> => {
    rmSync(paths.portSocket(name), { force: true });
    const socket = createServer((connection) => connection.destroy());
    await new Promise<void>((resolve) => socket.listen(paths.portSocket(name), resolve));
    chmodSync(paths.portSocket(name), socket_mode);
    sockets.set(name, socket);
  };

  const addPort = async (asked: PortSpec__Output) => {
    const spec = old ? { ...asked, network: '' } : asked;
    const code = refusal;
    refusal = undefined;
    if (code !== undefined) throw usvFailure(code, 'the test wants a refusal');
    const known = ports.get(spec.name);
    if (known !== undefined && JSON.stringify(known) !== JSON.stringify(spec)) {
      throw usvFailure('USV_PORT_OCCUPIED', `${spec.name} has another spec`);
    }
    if (known === undefined) {
      mkdirSync(paths.portDir(spec.name), { recursive: true, mode: 0o755 });
      if (spec.role === 'connect') chmodSync(paths.portDir(spec.name), 0o1777);
      else await listen(spec);
      ports.set(spec.name, spec);
      for (const waiter of waiters) waiter();
    }
    return wirePort(spec);
  };

  const removePort = ({ name }: { readonly name: string }) => {
    const removed = ports.delete(name);
    sockets.get(name)?.close();
    sockets.delete(name);
    if (removed) rmSync(paths.portDir(name), { recursive: true, force: true });
    return { removed };
  };

  const list = () => ({ ports: [...ports.values()].map(wirePort) });
  const ignore = (): void => undefined;

  const start = async (): Promise<void> => {
    mkdirSync(paths.runDir, { recursive: true, mode: 0o700 });
    grpc = new Server();
    grpc.addService(Switch.service, {
      AddPort: handleUnary(addPort, ignore),
      RemovePort: handleUnary(removePort, ignore),
      ListPorts: handleUnary(list, ignore),
      Stats: handleUnary(() => {
        const { counters = {} } = status;
        return { ports: Object.fromEntries([...ports.keys()].map((name) => [name, { counters }])) };
      }, ignore),
      WatchPorts: (call: ServerWritableStream<unknown, PortEvent>) => {
        watchers.add(call);
        call.on('cancelled', () => watchers.delete(call));
        call.write({ snapshot: list() });
      },
    });
    served = await serve(grpc, { socketPath: paths.switchSocket, mode: 0o600 });
  };
  await start();

  return {
    ports,
    say: (said) => {
      status = said;
    },
    becomeOld: () => {
      old = true;
    },
    refuseNext: (code) => {
      refusal = code;
    },
    kill: async () => {
      grpc?.forceShutdown();
      watchers.clear();
      for (const socket of sockets.values()) socket.close();
      sockets.clear();
      ports.clear();
      await served?.close({ graceMillis: 0 });
    },
    start,
    untilPort: (name) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!ports.has(name)) return;
          waiters.delete(look);
          resolve();
        };
        waiters.add(look);
        look();
      }),
  };
}
