// SPDX-License-Identifier: Apache-2.0
//
// The certificate with its key, as files that somebody else replaces: read, compared, and looked at again after each change
// in their directories. The kubelet swaps a mounted Secret by one rename (`..data`); whoever writes the two files one after
// the other is told of the moment in which they do not fit, and the pair before is served meanwhile.

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { createSecureContext } from 'node:tls';
import { watchDirectory } from '../lib/directory-watch.ts';
import { errnoOf } from '../lib/errno.ts';
import { type ErrorCode, UsvhostError, usvFailure } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';

export interface Pair {
  readonly cert: string;
  readonly key: string;
  /** When the certificate ends. */
  readonly expires: Date;
  readonly fingerprint: string;
}

export interface PairFiles {
  readonly certificate: string;
  readonly key: string;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw usvFailure('USV_CERTIFICATE', `${path} cannot be read: ${errnoOf(cause)}`, { cause });
  }
}

/** `work`, with its failure as one that names `path`; the reasons of OpenSSL have nothing of the key in them. */
function understood<Value>(path: string, work: () => Value): Value {
  try {
    return work();
  } catch (cause) {
    const reason = typeof cause === 'object' && cause !== null && 'message' in cause ? cause.message : cause;
    throw usvFailure('USV_CERTIFICATE', `${path} cannot be used: ${String(reason)}`, { cause });
  }
}

/** @throws UsvhostError USV_CERTIFICATE */
export function readPair({ certificate, key: keyFile }: PairFiles): Pair {
  const [cert, key] = [readText(certificate), readText(keyFile)];
  const parsed = understood(certificate, () => new X509Certificate(cert));
  const fits = understood(keyFile, () => parsed.checkPrivateKey(createPrivateKey(key)));
  if (!fits) throw usvFailure('USV_CERTIFICATE', `${keyFile} is not the key of ${certificate}`);
  // The rest of the chain, and what TLS allows of keys.
  understood(certificate, () => createSecureContext({ cert, key }));
  return { cert, key, expires: new Date(parsed.validTo), fingerprint: parsed.fingerprint256 };
}

export interface PairObserver {
  /** A changed pair is there and good. */
  changed(pair: Pair): void;
  /** After each look that found another pair or none. */
  looked(result: 'OK' | ErrorCode): void;
}

export interface PairWatch {
  /** The last good one. */
  readonly pair: Pair;
  close(): void;
}

/** Reads the pair and goes on watching it. @throws UsvhostError USV_CERTIFICATE when the first look finds none */
export function watchPair(files: PairFiles, observer: PairObserver, log: Logger): PairWatch {
  let complained = '';
  const look = (): void => {
    let found: Pair;
    try {
      found = readPair(files);
    } catch (error) {
      if (!(error instanceof UsvhostError)) throw error;
      // One change has many events.
      if (error.message === complained) return;
      complained = error.message;
      observer.looked(error.code);
      log.error(
        { code: error.code, expires: pair.expires },
        `${error.message}; the pair before is served on`,
      );
      return;
    }
    complained = '';
    if (found.cert === pair.cert && found.key === pair.key) return;
    pair = found;
    observer.changed(pair);
    observer.looked('OK');
    log.info({ expires: pair.expires, fingerprint: pair.fingerprint }, 'certificate is replaced');
  };
  const onError = (error: Error): void => log.error({ err: error }, 'the certificate cannot be watched');
  const directories = new Set([dirname(files.certificate), dirname(files.key)]);
  const watches = [...directories].map((directory) => watchDirectory(directory, look, onError));
  const close = (): void => {
    for (const watch of watches) watch.close();
  };
  // Events come later than this, so none falls between the first look and the watch.
  let pair: Pair;
  try {
    pair = readPair(files);
  } catch (error) {
    close();
    throw error;
  }
  return {
    get pair() {
      return pair;
    },
    close,
  };
}
