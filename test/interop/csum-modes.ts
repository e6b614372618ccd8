// SPDX-License-Identifier: Apache-2.0
//
// What testpmd's csum engine is told to leave to its ports, and what our switch then has to do.

export interface CsumMode {
  readonly name: string;
  /** Further arguments of the application. */
  readonly arguments: readonly string[];
  /** Commands for each port, which is stopped meanwhile; `PORT` stands for its number. */
  readonly commands: readonly string[];
  /** Of the offloads those that testpmd has agreed upon. */
  readonly features: readonly string[];
  /** What the switch does for a receiver that does nothing itself. */
  readonly done: { readonly finished: boolean; readonly cut: boolean };
}

const inHardware = ['csum set tcp hw PORT', 'csum set udp hw PORT'];

export const csumModes: readonly CsumMode[] = [
  {
    name: 'sums in software',
    arguments: [],
    commands: ['csum set tcp sw PORT', 'csum set udp sw PORT'],
    features: [],
    done: { finished: false, cut: false },
  },
  {
    name: 'sums left to the switch',
    arguments: [],
    commands: inHardware,
    features: ['CSUM'],
    done: { finished: true, cut: false },
  },
  {
    name: 'sums and segments left to the switch',
    // Sums of UDP and TCP and LRO: with --enable-lro alone DPDK asks for GUEST_TSO4 without GUEST_CSUM (virtio 1.2, 5.1.3.1).
    arguments: ['--rx-offloads=0x1c'],
    commands: [...inHardware, 'tso set 1448 PORT'],
    features: ['CSUM', 'GUEST_CSUM', 'GUEST_TSO4', 'GUEST_TSO6', 'HOST_TSO4', 'HOST_TSO6'],
    done: { finished: true, cut: true },
  },
];
