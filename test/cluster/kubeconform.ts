// SPDX-License-Identifier: Apache-2.0
//
// kubeconform, offline: with the schemas that the running API server publishes (OpenAPI v3), made strict, so that they know exactly
// the fields of its version and of the kinds that are installed in it.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from '../../cli/demo/process.ts';
import { type Captured, capture } from '../../scripts/capture.ts';
import { goProgram } from '../../scripts/go-program.ts';
import { inside } from './cluster.ts';

/** Path of the program. The first call on a machine builds it. @throws UsvhostError USV_IO */
export async function buildKubeconform(): Promise<string> {
  return goProgram('github.com/yannh/kubeconform/cmd/kubeconform', 'v0.8.0');
}

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

interface Kind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

interface Schema {
  readonly [key: string]: Json;
}

const prefix = '#/components/schemas/';

/** Writes a schema for each kind of the cluster: `<group>/<kind>_<version>.json` below `directory`, all of it in lower case. */
export async function writeSchemas(directory: string): Promise<void> {
  const raw = async (path: string): Promise<any> =>
    JSON.parse(await run(inside(['kubectl', 'get', '--raw', path])));
  const { paths }: { paths: Record<string, { serverRelativeURL: string }> } = await raw('/openapi/v3');
  const versions = Object.entries(paths).filter(([path]) => /^(api|apis\/[^/]+)\/v[^/]+$/.test(path));
  const documents = await Promise.all(
    versions.map(async ([, { serverRelativeURL }]) => raw(serverRelativeURL)),
  );
  for (const document of documents) {
    const schemas: Readonly<Record<string, Schema>> = document.components?.schemas ?? {};
    for (const [name, schema] of Object.entries(schemas)) {
      const kinds = (schema['x-kubernetes-group-version-kind'] ?? []) as unknown as readonly Kind[];
      // Options of requests belong to every group.
      if (kinds.length !== 1) continue;
      for (const kind of kinds)
        writeSchema(directory, kind, { $ref: `#/definitions/${name}`, ...closure(name, schemas) });
    }
  }
}

function writeSchema(directory: string, { group, kind, version }: Kind, schema: object): void {
  // The program takes the version for the group where there is none.
  const file = join(directory, group === '' ? version : group, `${kind}_${version}.json`.toLowerCase());
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(schema));
}

/** A schema with all that it refers to. */
function closure(
  name: string,
  schemas: Readonly<Record<string, Schema>>,
): { definitions: Record<string, Json> } {
  const definitions: Record<string, Json> = {};
  const pending = [name];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (Object.hasOwn(definitions, next)) continue;
    definitions[next] = strict(schemas[next] ?? {}, (found) => pending.push(found));
  }
  return { definitions };
}

/** The same schema, which takes no property that it does not name. `refer` is told what it refers to. */
function strict(value: Json, refer: (name: string) => void): Json {
  if (Array.isArray(value)) return value.map((each: Json) => strict(each, refer));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, each]): [string, Json] => {
    if (key !== '$ref' || typeof each !== 'string') return [key, strict(each, refer)];
    const name = each.slice(prefix.length);
    refer(name);
    return [key, `#/definitions/${name}`];
  });
  const own: Record<string, Json> = Object.fromEntries(entries);
  const names = 'properties' in own && typeof own['properties'] === 'object' && own['type'] === 'object';
  const open = own['x-kubernetes-preserve-unknown-fields'] === true || 'additionalProperties' in own;
  return names && !open ? { ...own, additionalProperties: false } : own;
}

/** Status 0 when every object of the file is one that the schemas in `directory` take; else the reasons are in its output. */
export async function kubeconform(directory: string, file: string): Promise<Captured> {
  const location = join(directory, '{{ .Group }}/{{ .ResourceKind }}_{{ .ResourceAPIVersion }}.json');
  return capture(await buildKubeconform(), ['-strict', '-schema-location', location, file]);
}
