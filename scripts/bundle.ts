// SPDX-License-Identifier: Apache-2.0
//
// `npm run bundle`: the whole command line as plain JavaScript in build/bundle, one file a command that shares chunks with
// the others. What runs for months in every pod should not keep a TypeScript stripper and unused code in memory.

import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { withoutUnusedParts } from './bundle/unused-parts.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const bundle = join(root, 'build/bundle');

rmSync(bundle, { recursive: true, force: true });

await build({
  absWorkingDir: root,
  entryPoints: ['cli/usvhost.ts', 'dataplane/handler-worker.ts'],
  outdir: 'build/bundle/cli',
  entryNames: '[name]',
  chunkNames: '[name]-[hash]',
  bundle: true,
  splitting: true,
  minify: true,
  platform: 'node',
  format: 'esm',
  target: 'node26',
  logLevel: 'warning',
  plugins: [withoutUnusedParts],
  // Dependencies written as CommonJS ask for Node's modules by require().
  banner: {
    js: "import{createRequire as __require}from'node:module';const require=__require(import.meta.url);",
  },
});
// What code finds relative to its own file, at the same places relative to the chunks.
for (const built of ['usvhost.node', 'usvhost'])
  cpSync(join(root, 'build/native', built), join(bundle, 'build/native', built));
for (const proto of ['switch.proto', 'deviceplugin.proto', 'pluginregistration.proto', 'podresources.proto'])
  cpSync(join(root, 'proto', proto), join(bundle, 'cli', proto));
// A daemon that moves no frame in JavaScript needs neither a large young generation nor helper threads of V8, gives
// freed memory of the C library back at once, and may collect when it knows that it has come to rest.
const launcher = `#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
export MALLOC_ARENA_MAX=1 MALLOC_TRIM_THRESHOLD_=0 MALLOC_TOP_PAD_=0
exec "\${USVHOST_NODE:-node}" --max-semi-space-size=1 --v8-pool-size=0 --expose-gc "$(dirname -- "$(readlink -f -- "$0")")/cli/usvhost.js" "$@"
`;
writeFileSync(join(bundle, 'usvhost'), launcher, { mode: 0o755 });
process.stderr.write('bundle: build/bundle/usvhost\n');
