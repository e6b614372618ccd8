// SPDX-License-Identifier: Apache-2.0
//
// Run inside the walls: `burst.ts PLUGIN BURSTS ROOT`. Attaches 16 network namespaces at the same time and detaches them
// at the same time, BURSTS times, and prints how long each call took: `{"add":[…],"del":[…],"cpu":{…}}`, milliseconds from
// the start of the plugin to its end, and what an ADD used of CPUs. A shell starts them, whose fork costs little: Node
// would start one after the other.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../cli/demo/process.ts';
import { main } from '../../scripts/main.ts';
import { cpuMillis } from '../cpu-time.ts';
import { withUndo } from '../undo.ts';
import { allocate, podNamespace, startBenchNode } from './bench-node.ts';
import { debianPlugins, type PluginName, plugins } from './plugins.ts';

const together = 16;

/**
 * Arguments: plugin, root, burst, then a namespace for each call. Prints microseconds, a line for each call, then the CPU time
 * of the shell and of its children.
 */
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
wait
times`;

interface Burst {
  readonly plugin: PluginName;
  readonly root: string;
  readonly namespaces: readonly string[];
}

interface Measured {
  /** Of each call. */
  readonly millis: readonly number[];
  /** Of all plugins and what they started. */
  readonly cpuMillis: number;
}

/** Of a line of `times`, `0m0.004s 0m0.012s`. */
function cpuOf(line = ''): number {
  const parts = [...line.matchAll(/(\d+)m([\d.]+)s/g)];
  return parts.reduce((sum, [, minutes, seconds]) => sum + Number(minutes) * 60e3 + Number(seconds) * 1e3, 0);
}

async function allAtOnce(command: 'ADD' | 'DEL', index: number, burst: Burst): Promise<Measured> {
  const { plugin, root, namespaces } = burst;
  const env = {
    USVHOST_ROOT: root,
    CNI_COMMAND: command,
    CNI_IFNAME: plugin === 'loopback' ? 'lo' : 'net1',
    CNI_PATH: debianPlugins,
  };
  const argv = ['bash', '-c', script, plugins[plugin].file, root, String(index), ...namespaces];
  const lines = (await run(argv, { env })).split('\n');
  const calls = lines.slice(0, -2);
  if (calls.length !== namespaces.length) {
    throw new Error(`${namespaces.length - calls.length} of ${namespaces.length} ${command}s failed`);
  }
  return { millis: calls.map((line) => Number(line) / 1000), cpuMillis: cpuOf(lines.at(-1)) };
}

async function bursts(plugin: PluginName, count: number, root: string): Promise<object> {
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
    const daemons = (): number => (node?.pids ?? []).reduce((sum, pid) => sum + cpuMillis(pid), 0);
    const cpu = { plugins: 0, daemons: 0 };
    // The first ones pay for what stays: a bridge, directories, pages of programs, code that is not compiled yet.
    for (let index = -3; index < count; index++) {
      const before = daemons();
      const added = await allAtOnce('ADD', index + 3, { plugin, root, namespaces });
      const between = daemons();
      const deleted = await allAtOnce('DEL', index + 3, { plugin, root, namespaces });
      if (index < 0) continue;
      add.push(...added.millis);
      del.push(...deleted.millis);
      cpu.plugins += added.cpuMillis;
      cpu.daemons += between - before;
    }
    const calls = count * together;
    const ours = node === undefined ? {} : { 'add-cpu-daemons': cpu.daemons / calls };
    return { add, del, cpu: { 'add-cpu': (cpu.plugins + cpu.daemons) / calls, ...ours } };
  });
}

await main(async () => {
  const [plugin = '', count = '', root = ''] = process.argv.slice(2);
  process.stdout.write(`${JSON.stringify(await bursts(plugin as PluginName, Number(count), root))}\n`);
  return 0;
});
