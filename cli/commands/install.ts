// SPDX-License-Identifier: Apache-2.0
//
// `usvhost install`: puts the CNI plugin where the container runtime looks for it and, when asked, into the cluster's
// network; `--uninstall` takes both back. It talks to no API server and needs no kubeconfig.

import type { Command } from 'commander';
import { usvFailure } from '../../lib/errors.ts';

const examples = `
Examples:
  usvhost install                           the plugin into /opt/cni/bin
  usvhost install --chain auto              and behind the cluster's own network: every pod that holds a port gets it
  usvhost install --chain /etc/cni/net.d/10-flannel.conflist --chain-config '{"ifName":"net1","mtu":9000}'
  usvhost install --root /host              from a container that has the host's / at /host
  usvhost install --uninstall --chain auto  takes back what is ours, leaves what others have changed
  usvhost install --uninstall --purge       and the node's state: /run/usvhost, /var/lib/usvhost

Each file is written beside its place and renamed, so that a runtime finds the old one or the new one at any moment. What is
already as it should be is not touched. --cni-bin-dir, --cni-conf-dir and --chain are paths of the host, below --root.`;

interface Flags {
  readonly root: string;
  readonly cniBinDir: string;
  readonly cniConfDir: string;
  readonly shim?: string;
  readonly chain?: string;
  readonly chainConfig?: string;
  readonly uninstall?: boolean;
  readonly purge?: boolean;
  readonly json?: boolean;
}

export function register(program: Command): void {
  program
    .command('install')
    .description('install the CNI plugin on this node, or take it back')
    .option('--root <dir>', 'directory under which all host paths hang', '/')
    .option('--cni-bin-dir <dir>', 'where the runtime looks for plugins', '/opt/cni/bin')
    .option('--cni-conf-dir <dir>', 'where the runtime looks for networks', '/etc/cni/net.d')
    .option('--shim <file>', 'the plugin binary (default: the one of the native build)')
    .option('--chain <file>', 'add the plugin to this configuration list; auto: the first of --cni-conf-dir')
    .option('--chain-config <json>', 'options of the plugin in that list')
    .option('--uninstall', 'remove the plugin, and its entry from the lists of --chain')
    .option('--purge', 'with --uninstall: also what agent and switch keep, which must have ended')
    .option('--json', 'print one JSON document')
    .addHelpText('after', examples)
    .action(run);
}

function checkUse({ chain, chainConfig, uninstall = false, purge = false, shim }: Flags): void {
  if (chainConfig !== undefined && (chain === undefined || uninstall))
    throw usvFailure('USV_USAGE', '--chain-config is for --chain without --uninstall');
  if (shim !== undefined && uninstall) throw usvFailure('USV_USAGE', '--shim is not for --uninstall');
  if (purge && !uninstall) throw usvFailure('USV_USAGE', '--purge is for --uninstall');
}

async function run(flags: Flags): Promise<void> {
  checkUse(flags);
  const [{ install, uninstall, uninstallAll }, { readOptions }, { shimFile }] = await Promise.all([
    import('../install/run.ts'),
    import('../install/conflist.ts'),
    import('../../native/shim-file.ts'),
  ]);
  const { root, cniBinDir, cniConfDir, chain, json = false } = flags;
  const plan = {
    root,
    cniBinDir,
    cniConfDir,
    shim: flags.shim ?? shimFile,
    chain,
    options: readOptions(flags.chainConfig ?? '{}'),
  };
  const back = flags.purge === true ? uninstallAll : uninstall;
  const result = await (flags.uninstall === true ? back : install)(plan);
  const state = 'state' in result ? result.state : [];
  const lines = [result.shim, ...result.chain, ...state].map(({ path, action }) => `${path}: ${action}\n`);
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : lines.join(''));
}
