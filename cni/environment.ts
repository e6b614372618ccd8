// SPDX-License-Identifier: Apache-2.0
//
// The environment of a CNI call (CNI 1.1.0, section 2, "Parameters"), checked per command. Every message names the
// variable. Code 4 of the specification.

import { usvError } from '../lib/errors.ts';
import { checkIfname } from '../lib/names.ts';
import type { ShimRequest } from './shim-protocol.ts';

const commands = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS'] as const;
export type Command = (typeof commands)[number];

export function isCommand(text: string): text is Command {
  return commands.some((known) => known === text);
}

/** The variables of a call that is about one attachment. */
export interface AttachmentEnv {
  readonly containerId: string;
  readonly ifname: string;
}

/** CNI 1.1.0, section 2: CNI_CONTAINERID. */
const containerIdPattern = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/u;

/** Throws USV_CNI_ENV when CNI_COMMAND is none of ours. */
export function readCommand(request: ShimRequest): Command {
  const command = commands.find((known) => known === request.command);
  if (command !== undefined) return command;
  throw usvError('USV_CNI_ENV', {
    what: 'CNI_COMMAND',
    expected: `${commands.join(', ')} or VERSION`,
    got: JSON.stringify(request.command ?? null),
  });
}

/** CNI_CONTAINERID and CNI_IFNAME. Throws USV_CNI_ENV. */
export function readAttachment(request: ShimRequest): AttachmentEnv {
  const containerId = required('CNI_CONTAINERID', request.containerId);
  if (!containerIdPattern.test(containerId) || containerId.length > 256) {
    const expected = 'a letter or digit, then letters, digits, "_", "." or "-", at most 256 in all';
    throw usvError('USV_CNI_ENV', { what: 'CNI_CONTAINERID', expected, got: JSON.stringify(containerId) });
  }
  const ifname = required('CNI_IFNAME', request.ifname);
  try {
    checkIfname(ifname);
  } catch (cause) {
    const expected = '1 to 15 bytes without "/", ":" or white space';
    throw usvError('USV_CNI_ENV', { what: 'CNI_IFNAME', expected, got: JSON.stringify(ifname), cause });
  }
  return { containerId, ifname };
}

/** CNI_NETNS, which ADD and CHECK need. Throws USV_CNI_ENV. */
export function readNetns(request: ShimRequest): string {
  const netns = required('CNI_NETNS', request.netns);
  if (!netns.startsWith('/')) {
    throw usvError('USV_CNI_ENV', {
      what: 'CNI_NETNS',
      expected: 'an absolute path',
      got: JSON.stringify(netns),
    });
  }
  return netns;
}

/** CNI_ARGS is `K=V;K=V`. Throws USV_CNI_ENV for anything else. */
export function readArgs(request: ShimRequest): ReadonlyMap<string, string> {
  const pairs = (request.args ?? '').split(';').filter((pair) => pair !== '');
  return new Map(
    pairs.map((pair) => {
      const [, key, value] = /^([^=]+)=(.*)$/su.exec(pair) ?? [];
      if (key === undefined || value === undefined) {
        throw usvError('USV_CNI_ENV', {
          what: 'CNI_ARGS',
          expected: 'KEY=VALUE;KEY=VALUE',
          got: JSON.stringify(pair),
        });
      }
      return [key, value] as const;
    }),
  );
}

function required(name: string, value: string | undefined): string {
  if (value !== undefined && value !== '') return value;
  throw usvError('USV_CNI_ENV', {
    what: name,
    expected: 'a value',
    got: value === undefined ? 'no such variable' : '""',
  });
}
