// SPDX-License-Identifier: Apache-2.0
//
// The jest transform of TypeScript: Node's own type stripping, which replaces types by blanks. So lines and columns stay
// what they are and no source map is needed. It must not transform anything else.

import { createHash } from 'node:crypto';
import { stripTypeScriptTypes } from 'node:module';

/** @see https://jestjs.io/docs/code-transformation, `SyncTransformer.process` */
export function process(source: string): { code: string } {
  return { code: stripTypeScriptTypes(source, { mode: 'strip' }) };
}

/** Everything that the output depends on. */
export function getCacheKey(source: string, path: string): string {
  return createHash('sha256').update(`${globalThis.process.version}\0${path}\0${source}`).digest('hex');
}
