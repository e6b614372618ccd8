// SPDX-License-Identifier: Apache-2.0
//
// A node's switch as the agent sees it: what the CNI verbs need, the names of its ports, and a watch that says which of
// them are there. agent/switch-client.ts is our own switch, agent/ovs/ovs-switch.ts is Open vSwitch.

import type { SwitchPorts } from '../cni/call.ts';

export interface PresenceListener {
  /** The switch works and has these ports, state by name: on first contact, after a restart, when ports may have been lost. */
  present(ports: ReadonlyMap<string, string>): void;
  /** A port has come or changed its state, or, without a state, gone. `reason`: why, where the switch says it. */
  changed(port: string, state: string | undefined, reason?: string): void;
  /** The switch does not work any more, or not yet; the watch is over. */
  lost(reason: unknown): void;
}

/** Counters of one port by name, decimal: those of native/switch/counters.h, others of Open vSwitch with `ovs_` before them. */
export type PortCounters = Readonly<Record<string, string>>;

export interface NodeSwitch extends SwitchPorts {
  /** Names of the ports that may be attachments'. Throws USV_SWITCH_UNREACHABLE. */
  portNames(): Promise<string[]>;
  /** Counters of all ports that are there, by port, from the pods' point of view. Throws USV_SWITCH_UNREACHABLE, USV_OVS. */
  counters(): Promise<ReadonlyMap<string, PortCounters>>;
  watch(listener: PresenceListener): { cancel(): void };
  close(): void;
}
