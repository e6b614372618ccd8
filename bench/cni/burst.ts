// SPDX-License-Identifier: Apache-2.0
//
// Run inside the walls: `burst.ts PLUGIN BURSTS ROOT`. Attaches 16 network namespaces at the same time and detaches them
// at the same time, BURSTS times, and prints how long each call took: `{"add":[…],"del":[…]}`, milliseconds from the start
// of the plugin to its end. A shell starts them, whose fork costs little: Node would start one after the other.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../cli/demo/process.ts';
import { main } from '../../scripts/main.ts';
import { withUndo } from '../undo.ts';
import { allocate, podNamespace, startBenchNode } from './bench-node.ts';
import { debianPlugins, type PluginName, plugins } from './plugins.ts';

const together = 16;

/** Arguments: plugin, root, burst, then a namespace for each call. Prints microseconds, a line for each call. */
const script = `plugin=$0 root=$1 burst=$2 n=0
shift 2
for netns in "$@"; do
  (
    export CNI_CONTAINERID="bench-$burst-$n" CNI_NETNS=$netns
    start=$EPOCHREALTIME
    "$plugin" <"$root/network-$n" >/dev/null || exit 1
    end=$EPOCHREALTIME
    echo $((\${end/[.,]/} - \${start/[.,]/}))
  ) &
  n=$((n + 1))
done
wait`;

interface Burst {
  readonly plugin: PluginName;
  readonly root: string;
  readonly namespaces: readonly string[];
}

async function allAtOnce(command: 'ADD' | 'DEL', index: number, burst: Burst): Promise<number[]> {
  const { plugin, root, namespaces } = burst;
  const env = {
    USVHOST_ROOT: root,
    CNI_COMMAND: command,
    CNI_IFNAME: plugin === 'loopback' ? 'lo' : 'net1',
    CNI_PATH: debianPlugins,
  };
  const argv = ['bash', '-c', script, plugins[plugin].file, root, String(index), ...namespaces];
  const lines = (await run(argv, { env })).split('\n');
  if (lines.length === namespaces.length) return lines.map((line) => Number(line) / 1000);
  throw new Error(`${namespaces.length - lines.length} of ${namespaces.length} ${command}s failed`);
}

async function bursts(
  plugin: PluginName,
  count: number,
  root: string,
): Promise<{ add: number[]; del: number[] }> {
  return withUndo(async (undo) => {
    const node = plugin === 'usvhost' ? await startBenchNode(root, undo) : undefined;
    const namespaces: string[] = [];
    while (namespaces.length < together) {
      const n = namespaces.length;
      const device = node === undefined ? '' : await allocate(node);
      const network = plugins[plugin].withoutIpam(`10.9.0.${n + 1}/16`, device);
      writeFileSync(join(root, `network-${n}`), JSON.stringify(network));
      namespaces.push(await podNamespace(undo));
    }
    const add: number[] = [];
    const del: number[] = [];
    // The first ones pay for what stays: a bridge, directories, pages of programs, code that is not compiled yet.
    for (let index = -3; index < count; index++) {
      const times = [
        await allAtOnce('ADD', index + 3, { plugin, root, namespaces }),
        await allAtOnce('DEL', index + 3, { plugin, root, namespaces }),
      ] as const;
      if (index < 0) continue;
      add.push(...times[0]);
      del.push(...times[1]);
    }
    return { add, del };
  });
}

await main(async () => {
  const [plugin = '', count = '', root = ''] = process.argv.slice(2);
  process.stdout.write(`${JSON.stringify(await bursts(plugin as PluginName, Number(count), root))}\n`);
  return 0;
});
