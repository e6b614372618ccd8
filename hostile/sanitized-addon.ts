// SPDX-License-Identifier: Apache-2.0
//
// Loaded into the switch under attack with --import, before anything of it: its native part is the one of build/asan in place of
// the one of build/native. Neither path can be chosen from outside, and what is shipped knows nothing of this.

import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildDirectory } from '../scripts/build-native.ts';
import { sanitizedAddon } from './sanitizer.ts';

const usual = join(buildDirectory('native'), 'usvhost.node');

registerHooks({
  resolve: (specifier, context, next) => {
    // The plain build need not be there.
    if (specifier !== usual) return next(specifier, context);
    return { ...next(sanitizedAddon, context), url: pathToFileURL(sanitizedAddon).href };
  },
});
