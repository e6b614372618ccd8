// SPDX-License-Identifier: Apache-2.0
//
// `npm run manifests [-- --check]`: renders manifests/ from the chart, for those without Helm. They hold no secret, so the webhook's
// certificate is asked of cert-manager. Not a part of `npm run gen`, which needs no Go.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { render } from './helm.ts';
import { main, projectRoot } from './main.ts';

const common = ['--no-hooks', '--set=createNamespace=true', '--set=removal.enabled=false'];

/** File → arguments of `helm template`. */
const files: Readonly<Record<string, readonly string[]>> = {
  'chained.yaml': ['--set=network.mode=chained', '--set=webhook.enabled=false'],
  'multus.yaml': ['--set=network.mode=multus', '--set=webhook.certificates.source=cert-manager'],
};

/** Every manifest by its path below the top folder. */
export async function renderManifests(): Promise<Readonly<Record<string, string>>> {
  const head =
    '# SPDX-License-Identifier: Apache-2.0\n#\n# Generated from `charts/usvhost` by `npm run manifests`; do not edit.\n';
  const rendered: Record<string, string> = {};
  for (const [file, args] of Object.entries(files)) {
    const output = await render(...common, ...args);
    rendered[join('manifests', file)] = head + output;
  }
  return rendered;
}

if (import.meta.main) {
  await main(async () => {
    const { values } = parseArgs({ options: { check: { type: 'boolean' } } });
    const check = values.check === true;
    const changed = Object.entries(await renderManifests()).filter(([path, content]) => {
      const full = join(projectRoot, path);
      return !existsSync(full) || readFileSync(full, 'utf8') !== content;
    });
    for (const [path, content] of changed) {
      process.stdout.write(check ? `${path} is not what npm run manifests makes\n` : `${path}\n`);
      if (check) continue;
      mkdirSync(join(projectRoot, 'manifests'), { recursive: true });
      writeFileSync(join(projectRoot, path), content);
    }
    return check && changed.length > 0 ? 1 : 0;
  });
}
