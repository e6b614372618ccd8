// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { checkName, defaultName } from '../../../../scripts/image/config.ts';

test.each([defaultName, 'registry.example:5000/team/usvhost:0.1.0-rc.1', 'localhost/usvhost:1'])(
  '%s is a name',
  (name) => {
    expect(checkName(name)).toBe(name);
  },
);

test.each(['', 'usvhost', 'usvhost:1', 'docker.io/library/usvhost', 'docker.io/Usvhost:1', 'a.b/c:1 2'])(
  '"%s" is refused by name',
  (name) => {
    expect(() => checkName(name)).toThrow(
      expect.objectContaining({ code: 'USV_USAGE', message: expect.stringContaining('--name') }),
    );
  },
);
