// SPDX-License-Identifier: Apache-2.0
//
// The agent's metrics: who counts what, and where the gauges read. Whoever counts gets a small object of its own and
// knows nothing of metrics.

import type { AttachmentState, AttachmentStore } from '../cni/attachment.ts';
import type { CallObserver } from '../cni/call.ts';
import { isCommand } from '../cni/environment.ts';
import type { RunningDevicePlugin } from '../device-plugin/plugin.ts';
import type { PluginObserver } from '../device-plugin/server.ts';
import { agentMetricTable } from '../lib/agent-metrics.ts';
import { Metrics, type Reading } from '../lib/metrics.ts';
import type { Part } from '../lib/parts.ts';
import description from '../package.json' with { type: 'json' };
import { type CleanupObserver, cleanupActions } from './cleanup-observer.ts';
import type { Holdings } from './holdings.ts';
import type { KubernetesObserver } from './kubernetes/side.ts';
import type { PortStates } from './port-states.ts';
import type { Tombstones } from './tombstones.ts';
import type { Counted, Traffic } from './traffic.ts';

/** What the gauges read. */
export interface MetricSources {
  readonly store: Pick<AttachmentStore, 'list'>;
  readonly tombstones: Pick<Tombstones, 'count'>;
  readonly plugin: Pick<RunningDevicePlugin, 'resources'>;
  readonly ports: Pick<PortStates, 'counts'>;
  readonly switchReachable: () => boolean;
  readonly parts: () => readonly Part[];
  readonly holdings: Pick<Holdings, 'count'>;
  readonly traffic: Pick<Traffic, 'look'>;
}

export interface AgentMetrics {
  readonly cni: CallObserver;
  readonly plugin: PluginObserver;
  readonly cleanup: CleanupObserver;
  readonly kubernetes: KubernetesObserver;
  readonly contentType: string;
  /** Everything, in Prometheus's text format; only after `connect`. */
  text(): Promise<string>;
  /** Says where the gauges read. */
  connect(sources: MetricSources): void;
}

const one = (value: number): Reading<{}>[] => [{ labels: {}, value }];

function* byState(store: MetricSources['store']): Iterable<Reading<{ readonly state: string }>> {
  const counts: Record<AttachmentState, number> = { adding: 0, ready: 0, deleting: 0 };
  for (const { state } of store.list()) counts[state]++;
  for (const [state, value] of Object.entries(counts)) yield { labels: { state }, value };
}

export function createAgentMetrics(): AgentMetrics {
  let from: MetricSources | undefined;
  let contact: number | undefined;
  const resources = () => from?.plugin.resources() ?? [];
  const metrics = new Metrics(agentMetricTable, {
    usvhost_build_info: () => [
      { labels: { version: description.version, nodejs: process.versions.node }, value: 1 },
    ],
    usvhost_ready: () =>
      (from?.parts() ?? []).map(({ name: part, ready }) => ({ labels: { part }, value: Number(ready) })),
    usvhost_attachments: () => (from === undefined ? [] : byState(from.store)),
    usvhost_tombstones: () => one(from?.tombstones.count() ?? 0),
    usvhost_devices: () =>
      resources().flatMap(({ resource, healthy, unhealthy }) => [
        { labels: { resource, health: 'Healthy' }, value: healthy },
        { labels: { resource, health: 'Unhealthy' }, value: unhealthy },
      ]),
    usvhost_devices_held: () =>
      resources().flatMap(({ resource }) => {
        const value = from?.holdings.count(resource);
        return value === undefined ? [] : [{ labels: { resource }, value }];
      }),
    usvhost_kubelet_registered: () =>
      resources().map(({ resource, registered }) => ({ labels: { resource }, value: Number(registered) })),
    usvhost_switch_reachable: () => one(Number(from?.switchReachable() ?? false)),
    usvhost_switch_ports: () =>
      [...(from?.ports.counts() ?? [])].map(([state, value]) => ({ labels: { state }, value })),
    usvhost_kubernetes_last_contact_timestamp_seconds: () =>
      contact === undefined ? [] : one(contact / 1000),
  });
  metrics.addProcess();
  // A series that begins with its first event has no increase for it, and alerts would miss the first failure.
  for (const result of ['complete', 'partial'])
    metrics.count('usvhost_reconciler_passes_total', { result }, 0);
  for (const action of cleanupActions) metrics.count('usvhost_reconciler_actions_total', { action }, 0);
  const countTraffic = (counted: Counted): void => {
    for (const [counter, more] of counted) {
      const [, direction = '', unit] = /^(rx|tx)_(packets|bytes)$/.exec(counter) ?? [];
      if (unit === 'packets') metrics.count('usvhost_switch_packets_total', { direction }, more);
      else if (unit === 'bytes') metrics.count('usvhost_switch_bytes_total', { direction }, more);
      else if (counter.includes('drop'))
        metrics.count('usvhost_switch_drops_total', { reason: counter }, more);
    }
  };
  return {
    cni: {
      ended: (given, result, seconds) => {
        const command = given !== undefined && isCommand(given) ? given : 'other';
        metrics.count('usvhost_cni_calls_total', { command, result });
        metrics.observe('usvhost_cni_call_duration_seconds', { command }, seconds);
      },
    },
    plugin: {
      allocated: (resource, result) =>
        metrics.count('usvhost_device_allocations_total', { resource, result }),
      registered: (resource) => metrics.count('usvhost_kubelet_registrations_total', { resource }),
    },
    cleanup: {
      acted: (action) => metrics.count('usvhost_reconciler_actions_total', { action }),
      passed: (seconds, complete) => {
        metrics.count('usvhost_reconciler_passes_total', { result: complete ? 'complete' : 'partial' });
        metrics.observe('usvhost_reconciler_pass_duration_seconds', {}, seconds);
      },
    },
    kubernetes: {
      event: (result) => metrics.count('usvhost_kubernetes_events_total', { result }),
      informerRestarted: () => metrics.count('usvhost_kubernetes_informer_restarts_total', {}),
      contact: () => {
        contact = Date.now();
      },
    },
    contentType: metrics.contentType,
    text: async () => {
      if (from !== undefined) countTraffic(await from.traffic.look());
      return metrics.text();
    },
    connect: (sources) => {
      from = sources;
    },
  };
}
