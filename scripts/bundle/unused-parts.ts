// SPDX-License-Identifier: Apache-2.0
//
// Parts of @kubernetes/client-node that are loaded with what the agent uses of it and never run there: classes of every Kubernetes kind, an
// HTTP client that our own requests do not need (agent/kubernetes/api.ts), SOCKS proxies, and logins of people at cloud providers. Left
// out, 80 kB of 2 MB remain (docs/decisions/060-api-server.md). A name that a newer release imports besides these breaks the build.

import type { Plugin } from 'esbuild';

/** Import, as it is written in the library → the names that are asked of it. */
const unused: Readonly<Record<string, readonly string[]>> = {
  undici: ['Agent', 'ProxyAgent', 'fetch'],
  socks: ['SocksClient'],
  'socks-proxy-agent': ['SocksProxyAgent'],
  'openid-client': ['customFetch', 'discovery', 'refreshTokenGrant'],
  'jsonpath-plus': ['JSONPath'],
  './gen/index.js': ['createConfiguration', 'ServerConfiguration'],
  './serializer.js': ['ObjectSerializer'],
};

/** Whoever comes here all the same is told so, and by its stack where from. */
function refusing(path: string): string {
  const refusal = `() => { throw new TypeError(${JSON.stringify(`${path} of @kubernetes/client-node is not in the bundle`)}); }`;
  return (unused[path] ?? []).map((name) => `export const ${name} = ${refusal};`).join('\n');
}

export const withoutUnusedParts: Plugin = {
  name: 'without-unused-parts',
  setup(build) {
    build.onResolve({ filter: /./ }, ({ path, importer }) =>
      Object.hasOwn(unused, path) && importer.includes('/@kubernetes/client-node/dist/')
        ? { path, namespace: 'unused' }
        : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: 'unused' }, ({ path }) => ({ contents: refusing(path) }));
  },
};
