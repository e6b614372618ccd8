// SPDX-License-Identifier: Apache-2.0
//
// Installs the compiler, CMake and every program that tests run against, by apt-get: `setup.ts [--yes]`, and downloads the
// kernel that their guests run. Where there is no apt-get it prints the packages, to be found under that machine's names.

import { parseArgs } from 'node:util';
import { fetchGuestKernel } from './guest-kernel.ts';
import { main, run } from './main.ts';
import { findProgram, packages } from './packages.ts';

const help = `Usage: npm run setup [-- --yes]

Installs every program that the project builds with and tests against, by apt-get, and a kernel for guests into ~/.cache/usvhost.

  --yes    does not ask before it installs
`;

await main(async () => {
  const { values } = parseArgs({ options: { yes: { type: 'boolean' } } });
  if (findProgram('apt-get') === undefined) {
    process.stdout.write(`No apt-get here. Install what Debian calls: ${packages.join(' ')}\n`);
    return 0;
  }
  const sudo = process.getuid?.() === 0 ? [] : ['sudo'];
  const install = ['apt-get', 'install', '--no-install-recommends'];
  const commands = [
    [...sudo, 'apt-get', 'update'],
    [...sudo, ...install, ...(values.yes === true ? ['--yes'] : []), ...packages],
  ];
  for (const [program = '', ...args] of commands) {
    process.stdout.write(`${[program, ...args].join(' ')}\n`);
    const { code } = await run(program, args, { inherit: true });
    if (code !== 0) return code;
  }
  const fetched = await fetchGuestKernel();
  process.stdout.write(fetched ? 'The kernel for guests is in the cache.\n' : 'No kernel for guests here.\n');
  return 0;
}, help);
