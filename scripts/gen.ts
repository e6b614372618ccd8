// SPDX-License-Identifier: Apache-2.0
//
// Regenerates the committed outputs: one file of gen/ for each kind. `--check` writes nothing and fails when something
// committed is not what would be generated, or is no longer generated at all.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import * as chart from './gen/chart.ts';
import * as config from './gen/config.ts';
import * as errors from './gen/errors.ts';
import * as metrics from './gen/metrics.ts';
import * as portContract from './gen/port-contract.ts';
import * as proto from './gen/proto.ts';
import { main, projectRoot } from './main.ts';

const generators = [chart, config, errors, metrics, portContract, proto];

/** Folders that hold nothing but generated files. */
const whollyGenerated = ['proto/gen'];

function current(path: string): string | undefined {
  const full = join(projectRoot, path);
  return existsSync(full) ? readFileSync(full, 'utf8') : undefined;
}

await main(async () => {
  const { values } = parseArgs({ options: { check: { type: 'boolean' } } });
  const check = values.check === true;
  const outputs = (await Promise.all(generators.map((each) => each.generate()))).flat();
  const changed = outputs.filter(({ path, content }) => current(path) !== content);
  const paths = outputs.map(({ path }) => path);
  const stale = whollyGenerated
    .flatMap((folder) =>
      readdirSync(join(projectRoot, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts'))
        .map((name) => join(folder, name)),
    )
    .filter((path) => !paths.includes(path));

  for (const path of [...changed.map((output) => output.path), ...stale])
    process.stdout.write(check ? `${path} is not what npm run gen makes\n` : `${path}\n`);
  if (check) return changed.length + stale.length > 0 ? 1 : 0;
  for (const { path, content } of changed) {
    mkdirSync(dirname(join(projectRoot, path)), { recursive: true });
    writeFileSync(join(projectRoot, path), content);
  }
  for (const path of stale) rmSync(join(projectRoot, path));
  return 0;
});
