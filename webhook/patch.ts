// SPDX-License-Identifier: Apache-2.0
//
// JSON Patch (RFC 6902), as far as it is needed: `add` alone, which replaces a member that is there (section 4.1).

export interface Operation {
  readonly op: 'add';
  readonly path: string;
  readonly value: unknown;
}

/** `path` as a list of names and indices; RFC 6901 says how each is written. */
export function add(path: readonly (string | number)[], value: unknown): Operation {
  const pointer = path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`);
  return { op: 'add', path: pointer.join(''), value };
}
