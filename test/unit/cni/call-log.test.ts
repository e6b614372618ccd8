// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { AttachmentLog } from '../../../cni/call-log.ts';

test('every line has what is known by then, and its own fields weigh more', () => {
  const lines: unknown[] = [];
  const write = (fields: object, text: string) => lines.push({ ...fields, text });
  const log = new AttachmentLog({ info: write, warn: write }, { command: 'ADD', ifname: 'eth0' });
  log.info({ a: 1 }, 'one');
  log.know({ ifname: 'net1', port: 'p' });
  log.warn({ port: 'q' }, 'two');
  expect(lines).toEqual([
    { command: 'ADD', ifname: 'eth0', a: 1, text: 'one' },
    { command: 'ADD', ifname: 'net1', port: 'q', text: 'two' },
  ]);
});
