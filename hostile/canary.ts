// SPDX-License-Identifier: Apache-2.0
//
// Two well-behaved pods on the switch under attack: one pings the other all the time, and not one answer may be missing.

import { NativeDataplane, usualOffers } from '../native/index.ts';
import { canaryMacs } from './front-end.ts';

const addresses = ['10.66.0.1', '10.66.0.2'] as const;
/** A sequence number has 16 bits, so this is the longest song. At 6 ms a ping it lasts 393 s, several times as long as the table. */
const mostPings = 65_535;
const intervalMillis = 6;

function dataplane(path: string, engine: ConstructorParameters<typeof NativeDataplane>[0]['engine']) {
  return new NativeDataplane(
    {
      ports: [{ name: 'canary', path, queueSize: 256, queuePairs: 1, server: false, offers: usualOffers }],
      engine,
      memory: { kind: 'memfd', place: '' },
      buffers: 0,
      cpus: [],
      idleMicros: 50,
      pollMode: 'adaptive',
      backoffMinMillis: 5,
      backoffMaxMillis: 100,
      handshakeMillis: 5000,
    },
    () => undefined,
  );
}

export class Canary {
  readonly #responder: NativeDataplane;
  readonly #ping: NativeDataplane;

  constructor(sockets: readonly [string, string]) {
    const [from, to] = sockets;
    const [mac, otherMac] = canaryMacs;
    const [source, destination] = addresses;
    this.#responder = dataplane(to, { kind: 'responder', mac: otherMac, ip: destination });
    this.#ping = dataplane(from, {
      kind: 'ping',
      mac,
      source,
      destination,
      count: mostPings,
      intervalMillis,
      timeoutMillis: 1000,
    });
  }

  /** Pings that were sent and those that were answered. */
  get song(): { readonly sent: number; readonly received: number } {
    const { sent = 0, received = 0 } = this.#ping.report().engine;
    return { sent, received };
  }

  close(): void {
    this.#ping.close();
    this.#responder.close();
  }
}
