// SPDX-License-Identifier: Apache-2.0
//
// One TCP stream between two network namespaces without Kubernetes: by taps, dataplanes and our switch; by the same parts of DPDK; and by
// the kernel's veth pairs and bridge. No candidate is pinned: each may use all CPUs for its threads, and so may iperf3.

import { join } from 'node:path';
import * as z from 'zod/mini';
import type { PeerName } from '../../scripts/packages.ts';
import type { Candidate, CaseGroup } from '../case.ts';
import { insideWalls } from '../cni/walls.ts';

const module = join(import.meta.dirname, '../tcp/main.ts');
const tools = ['unshare', 'nsenter', 'ip', 'ping', 'iperf3'] as const;

function candidate(name: string, ...more: readonly PeerName[]): Candidate {
  return {
    name,
    needs: [...tools, ...more],
    run: async ({ stop, seconds }) => ({
      '': z.number().parse(await insideWalls(stop, module, name, String(Math.ceil(seconds)))),
    }),
  };
}

export const tcp: CaseGroup = {
  name: 'tcp',
  about: 'one TCP stream between two namespaces by taps and our switch, beside testpmd, veth and bridge',
  cases: [
    {
      name: 'tcp',
      params: { mtu: 1500 },
      metrics: [{ name: '', unit: 'Gbit/s', better: 'higher' }],
      candidates: [candidate('usvhost'), candidate('testpmd-tap', 'dpdk-testpmd'), candidate('veth-bridge')],
    },
  ],
};
