// SPDX-License-Identifier: Apache-2.0
//
// What the image says about itself: its program, user and environment, which the Dockerfile repeats, and its labels.

import { usvError } from '../../lib/errors.ts';
import description from '../../package.json' with { type: 'json' };
import type { Image, ImageConfig } from './archive.ts';
import type { Source } from './source.ts';

/** Without a shell there is no launcher: what build/bundle/usvhost sets and passes is the image's environment. */
export const imageConfig = {
  entrypoint: ['/bin/usvhost'],
  user: '65532:65532',
  env: {
    PATH: '/bin',
    NODE_OPTIONS: '--max-semi-space-size=1 --v8-pool-size=0 --expose-gc',
    MALLOC_ARENA_MAX: '1',
    MALLOC_TRIM_THRESHOLD_: '0',
    MALLOC_TOP_PAD_: '0',
  },
} as const satisfies ImageConfig;

export const defaultName = `docker.io/library/usvhost:${description.version}`;

const fullName = /^[a-z\d.-]+(:\d+)?(\/[a-z\d._-]+)+:\w[\w.-]{0,127}$/;

/** A kubelet looks for an image under its full name only. @throws UsvhostError USV_USAGE */
export function checkName(name: string): string {
  if (fullName.test(name)) return name;
  throw usvError('USV_USAGE', {
    what: '--name',
    expected: 'a full name with a tag, such as registry.example/usvhost:1',
    got: JSON.stringify(name),
  });
}

/** https://specs.opencontainers.org/image-spec/annotations/ */
function labelsOf({ created, revision }: Source): Record<string, string> {
  const prefix = 'org.opencontainers.image';
  return {
    [`${prefix}.title`]: description.name,
    [`${prefix}.description`]: description.description,
    [`${prefix}.version`]: description.version,
    [`${prefix}.licenses`]: description.license,
    [`${prefix}.created`]: new Date(created * 1000).toISOString(),
    ...(revision === undefined ? {} : { [`${prefix}.revision`]: revision }),
  };
}

export function describeImage(name: string, layers: readonly string[], source: Source): Image {
  return { ...imageConfig, name, layers, created: source.created, labels: labelsOf(source) };
}
