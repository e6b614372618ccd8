// SPDX-License-Identifier: Apache-2.0
//
// One TCP stream of iperf3 between two network namespaces: `main.ts LINK SECONDS`, inside walls (../cni/walls.ts). Prints as a JSON document
// what the server has received, in Gbit/s.

import * as z from 'zod/mini';
import { Child } from '../../cli/demo/process.ts';
import { usvError } from '../../lib/errors.ts';
import { main } from '../../scripts/main.ts';
import { withUndo } from '../undo.ts';
import { addresses, joined, links } from './links.ts';

const report = z.object({ end: z.object({ sum_received: z.object({ bits_per_second: z.number() }) }) });

await main(async () => {
  const [, , name = '', seconds = ''] = process.argv;
  const link = Object.hasOwn(links, name) ? links[name] : undefined;
  if (link === undefined) {
    const expected = `one of ${Object.keys(links).join(', ')}`;
    throw usvError('USV_USAGE', { what: 'the link', expected, got: JSON.stringify(name) });
  }
  const gigabits = await withUndo(async (undo) => {
    const both = await link(undo);
    await joined(both);
    const [client, server] = both;
    const listening = Promise.withResolvers<void>();
    const onLine = (line: string): void => {
      if (line.includes('listening')) listening.resolve();
    };
    const serving = new Child('iperf3', server.enter('iperf3', '--server', '--forceflush'), { onLine });
    undo(async () => void (await serving.stop()));
    await serving.whileRunning(listening.promise);
    // The first second, in which the window grows, is left out.
    const args = ['--client', addresses[1], '--time', seconds, '--omit', '1', '--json'];
    const said = await client.run('iperf3', ...args);
    return report.parse(JSON.parse(said)).end.sum_received.bits_per_second / 1e9;
  });
  process.stdout.write(`${JSON.stringify(gigabits)}\n`);
  return 0;
});
