// SPDX-License-Identifier: Apache-2.0
//
// `npm run image`: the container image as build/image/usvhost.tar, which containerd imports, and its list of parts beside it.
// It needs no Docker and no registry. `--root DIR` only lays the files out, for the Dockerfile.

import { cpSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { writeImage } from './image/archive.ts';
import { checkName, defaultName, describeImage } from './image/config.ts';
import { fillLayers, type Layers } from './image/root.ts';
import { listParts } from './image/sbom.ts';
import { readSource, type Source } from './image/source.ts';
import { main, projectRoot } from './main.ts';

const help = `Usage: npm run image [-- flags]

Writes the container image as an OCI archive, and its list of parts beside it; the digest is the last line.

  --name NAME    its name, default ${defaultName}
  --out FILE     default build/image/usvhost.tar
  --root DIR     no archive: the files as they lie in the image

Example:
  npm run image -- --name registry.example/usvhost:1 --out /tmp/usvhost.tar
`;

async function writeParts(file: string, { libraries }: Layers, source: Source): Promise<void> {
  writeFileSync(file, `${JSON.stringify(await listParts(libraries, source), null, 2)}\n`);
  process.stderr.write(`image: parts in ${file}\n`);
}

await main(async () => {
  const { values } = parseArgs({
    options: {
      name: { type: 'string', default: defaultName },
      out: { type: 'string', default: join(projectRoot, 'build/image/usvhost.tar') },
      root: { type: 'string' },
    },
  });
  const name = checkName(values.name);
  const out = resolve(values.out);
  mkdirSync(dirname(out), { recursive: true });
  const place = mkdtempSync(join(dirname(out), '.layers-'));
  try {
    const source = await readSource();
    const layers = await fillLayers(place);
    await writeParts(out.replace(/(\.tar)?$/, '.cdx.json'), layers, source);
    if (values.root !== undefined) {
      for (const directory of layers.directories)
        cpSync(directory, resolve(values.root), { recursive: true, verbatimSymlinks: true });
      return 0;
    }
    const digest = writeImage(describeImage(name, layers.directories, source), out);
    process.stderr.write(`image: ${name} in ${out}, ${(statSync(out).size / 1e6).toFixed(1)} MB\n`);
    process.stdout.write(`${digest}\n`);
    return 0;
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}, help);
