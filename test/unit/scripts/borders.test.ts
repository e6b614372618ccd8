// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { violations } from '../../../scripts/borders.ts';

test.each([
  ['lib/config/load.ts', "import { x } from '../errors.ts';"],
  ['switch/daemon.ts', "import type { Port } from '../proto/gen/usvhost/switch/v1/Port.ts';"],
  ['cli/usvhost.ts', "import description from '../package.json' with { type: 'json' };"],
  ['agent/daemon.ts', "import { x } from '../cni/server.ts';"],
  ['cni/server.ts', "import { spawn } from 'node:child_process';"],
])('%s: %s', (file, source) => {
  expect(violations(file, source)).toEqual([]);
});

test.each([
  ['lib/log.ts', "import { x } from '../native/index.ts';"],
  ['switch/daemon.ts', "import { x } from '../dataplane/daemon.ts';"],
  ['agent/daemon.ts', "await import('../switch/daemon.ts');"],
  ['cni/verbs/add.ts', "import {\n  x,\n} from '../../device-plugin/pool.ts';"],
  ['native/index.ts', "export { x } from '../proto/load.ts';"],
  ['switch/a.ts', "import '../cli/usvhost.ts';"],
  ['elsewhere/a.ts', ''],
])('refuses in %s: %s', (file, source) => {
  expect(violations(file, source)).toHaveLength(1);
});
