// SPDX-License-Identifier: Apache-2.0
//
// Run inside the walls: `attach.ts PLUGIN COUNT ROOT`. Attaches a network namespace and detaches it again, COUNT times, and
// prints how long each call took: `{"add":[…],"del":[…]}`, milliseconds from the start of the plugin to its end. All
// files lie in ROOT.

import { run } from '../../cli/demo/process.ts';
import { main } from '../../scripts/main.ts';
import { withUndo } from '../undo.ts';
import { allocate, podNamespace, startBenchNode } from './bench-node.ts';
import { debianPlugins, type PluginName, plugins } from './plugins.ts';

interface Call {
  readonly plugin: PluginName;
  readonly root: string;
  readonly netns: string;
  readonly config: string;
  readonly container: string;
}

async function timed(command: 'ADD' | 'DEL', call: Call): Promise<number> {
  const env = {
    USVHOST_ROOT: call.root,
    CNI_COMMAND: command,
    CNI_CONTAINERID: call.container,
    CNI_NETNS: call.netns,
    CNI_IFNAME: call.plugin === 'loopback' ? 'lo' : 'net1',
    CNI_PATH: debianPlugins,
  };
  const start = performance.now();
  await run([plugins[call.plugin].file], { env, stdin: call.config });
  return performance.now() - start;
}

async function attach(
  plugin: PluginName,
  count: number,
  root: string,
): Promise<{ add: number[]; del: number[] }> {
  return withUndo(async (undo) => {
    const device = plugin === 'usvhost' ? await allocate(await startBenchNode(root, undo)) : '';
    const netns = await podNamespace(undo);
    const config = JSON.stringify(plugins[plugin].config(root, device));
    const add: number[] = [];
    const del: number[] = [];
    // The first call pays for what stays: a bridge, directories, pages of programs.
    for (let index = -1; index < count; index++) {
      const call = { plugin, root, netns, config, container: `bench-${index + 1}` };
      const times = [await timed('ADD', call), await timed('DEL', call)] as const;
      if (index < 0) continue;
      add.push(times[0]);
      del.push(times[1]);
    }
    return { add, del };
  });
}

await main(async () => {
  const [plugin = '', count = '', root = ''] = process.argv.slice(2);
  process.stdout.write(`${JSON.stringify(await attach(plugin as PluginName, Number(count), root))}\n`);
  return 0;
});
