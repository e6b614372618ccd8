// SPDX-License-Identifier: Apache-2.0
//
// Where the native build puts the CNI plugin binary: in the tree, and beside the bundle. Apart from index.ts, which loads
// the addon.

import { fileURLToPath } from 'node:url';

export const shimFile = fileURLToPath(new URL('../build/native/usvhost', import.meta.url));
