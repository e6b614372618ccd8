// SPDX-License-Identifier: Apache-2.0
//
// The TypeScript types of proto/*.proto. The options say how messages look and must be those of proto/load.ts.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { usvFailure } from '../../lib/errors.ts';
import { projectRoot, run } from '../main.ts';
import type { Output } from './output.ts';

const generator = 'node_modules/@grpc/proto-loader/build/bin/proto-loader-gen-types.js';
const options = [
  '--keepCase',
  '--longs=String',
  '--enums=String',
  '--defaults',
  '--oneofs',
  '--grpcLib=@grpc/grpc-js',
  '--importFileExtension=.ts',
  '--includeDirs=proto',
];

/** @throws UsvhostError USV_INTERNAL when a .proto file does not compile. */
export async function generate(): Promise<readonly Output[]> {
  const directory = mkdtempSync(join(tmpdir(), 'usv-gen-'));
  try {
    const sources = readdirSync(join(projectRoot, 'proto')).filter((name) => name.endsWith('.proto'));
    const { code, output } = await run(process.execPath, [
      join(projectRoot, generator),
      ...options,
      `--outDir=${directory}`,
      ...sources,
    ]);
    if (code !== 0) throw usvFailure('USV_INTERNAL', `cannot generate types: ${output}`);
    return readdirSync(directory, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => ({
        path: join('proto/gen', name),
        content: readFileSync(join(directory, name), 'utf8'),
      }));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
