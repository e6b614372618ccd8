// SPDX-License-Identifier: Apache-2.0
//
// The first words of vhost-user with a back-end (QEMU's docs/interop/vhost-user.rst): what it offers, and nothing that
// changes it. The back-end may be anything: what it says is bounded in size and time.

import { connect } from 'node:net';
import { errnoOf } from '../../lib/errno.ts';
import { protocolFeaturesBit } from '../../lib/feature-names.ts';

export type BackEndAnswer =
  | { readonly kind: 'answers'; readonly features: bigint; readonly protocolFeatures: bigint | undefined }
  /** Nobody could be reached, for this reason of the system. */
  | { readonly kind: 'unreachable'; readonly errno: string }
  /** It closed the connection before it answered: another front-end has the port. */
  | { readonly kind: 'busy' }
  /** Connected, and no whole answer in time. */
  | { readonly kind: 'silent' }
  /** It answered with something else. */
  | { readonly kind: 'malformed'; readonly got: string };

const getFeatures = 1;
const getProtocolFeatures = 15;
const version = 1;
const replyFlag = 4;
const headerSize = 12;
/** Header and one 64-bit number, which is what both requests are answered with. */
const replySize = headerSize + 8;

function requestMessage(request: number): Buffer {
  const message = Buffer.alloc(headerSize);
  message.writeUInt32LE(request, 0);
  message.writeUInt32LE(version, 4);
  return message;
}

/** The number in a reply, or in words what is wrong with it. */
function numberIn(reply: Buffer, request: number): bigint | string {
  const [got, flags, size] = [0, 4, 8].map((at) => reply.readUInt32LE(at));
  if (got !== request) return `a reply to request ${got} instead of ${request}`;
  if (flags !== (version | replyFlag)) return `flags ${flags} instead of ${version | replyFlag}`;
  if (size !== 8) return `${size} bytes instead of 8`;
  return reply.readBigUInt64LE(headerSize);
}

/** Asks the back-end at `path` what it offers and hangs up. `millis`: for all of it, default 5000. */
export function askBackEnd(
  path: string,
  { millis = 5000 }: { readonly millis?: number } = {},
): Promise<BackEndAnswer> {
  return new Promise((resolve) => {
    const socket = connect(path);
    let connected = false;
    let asked = getFeatures;
    let features = 0n;
    let received = Buffer.alloc(0);
    const finish = (answer: BackEndAnswer): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => finish({ kind: 'silent' }), millis);
    const hungUp = (): void => {
      if (asked === getFeatures && received.length === 0) finish({ kind: 'busy' });
      else finish({ kind: 'malformed', got: 'a closed connection' });
    };
    socket.on('connect', () => {
      connected = true;
      socket.write(requestMessage(asked));
    });
    // A connection that is closed with our request unread is reset.
    socket.on('error', (error) =>
      connected ? hungUp() : finish({ kind: 'unreachable', errno: errnoOf(error) }),
    );
    socket.on('close', hungUp);
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < replySize) return;
      const number = received.length > replySize ? 'more than one reply' : numberIn(received, asked);
      if (typeof number === 'string') finish({ kind: 'malformed', got: number });
      else if (asked === getProtocolFeatures) finish({ kind: 'answers', features, protocolFeatures: number });
      else if ((number & protocolFeaturesBit) === 0n)
        finish({ kind: 'answers', features: number, protocolFeatures: undefined });
      else {
        features = number;
        asked = getProtocolFeatures;
        received = Buffer.alloc(0);
        socket.write(requestMessage(asked));
      }
    });
  });
}
