// SPDX-License-Identifier: Apache-2.0
//
// The table of the agent's metrics, by Prometheus's rules for names: a prefix, base units, `_total` for what only grows.
// docs/metrics.md is generated from it. No label may grow with the pods of a node.

import type { MetricTable } from './metrics.ts';

/** Seconds; an ADD without a waiting queue takes a few milliseconds, and a runtime gives up after minutes. */
const callBuckets = [0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const passBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

export const agentMetricTable = {
  usvhost_build_info: {
    kind: 'gauge',
    help: 'Always 1; the release of usvhost and of Node are in its labels.',
    labels: ['version', 'nodejs'],
  },
  usvhost_ready: {
    kind: 'gauge',
    help: '1 while the part is as an ADD needs it: state, cni, kubelet, switch; what the page /readyz says in words.',
    labels: ['part'],
  },
  usvhost_cni_calls_total: {
    kind: 'counter',
    help: 'CNI calls that have ended, by command (other: none of the specification) and by result: OK or the code of the error.',
    labels: ['command', 'result'],
  },
  usvhost_cni_call_duration_seconds: {
    kind: 'histogram',
    help: "Time of a CNI call in the agent, from the whole request to the answer: the container's queue, leftovers of others and address plugins included.",
    labels: ['command'],
    buckets: callBuckets,
  },
  usvhost_attachments: {
    kind: 'gauge',
    help: 'Attachments that the agent has a record of, by state.',
    labels: ['state'],
  },
  usvhost_tombstones: {
    kind: 'gauge',
    help: 'DELs that were done without an agent and of which something is left to do.',
    labels: [],
  },
  usvhost_devices: {
    kind: 'gauge',
    help: 'Devices as the kubelet was told of them, by resource and health.',
    labels: ['resource', 'health'],
  },
  usvhost_devices_held: {
    kind: 'gauge',
    help: 'Devices that pods hold, as the kubelet said when it was last compared with the node; none before the first time.',
    labels: ['resource'],
  },
  usvhost_device_allocations_total: {
    kind: 'counter',
    help: 'Allocate calls of the kubelet, by resource and by result: OK or the code of the error.',
    labels: ['resource', 'result'],
  },
  usvhost_kubelet_registrations_total: {
    kind: 'counter',
    help: 'How often the kubelet has accepted a resource: once, and again after each of its restarts.',
    labels: ['resource'],
  },
  usvhost_kubelet_registered: {
    kind: 'gauge',
    help: '1 while the kubelet that is there has accepted the resource.',
    labels: ['resource'],
  },
  usvhost_switch_reachable: {
    kind: 'gauge',
    help: '1 while the stream of events from the switch stands.',
    labels: [],
  },
  usvhost_switch_ports: {
    kind: 'gauge',
    help: "Ports of the switch by state, those of the switch's other clients included; none while it cannot be reached.",
    labels: ['state'],
  },
  usvhost_switch_packets_total: {
    kind: 'counter',
    help: 'Frames of all ports, by direction from the point of view of the pods: tx is what they sent. Ports are read when metrics are collected, so that what a port counts between the last time and its end is not in it.',
    labels: ['direction'],
  },
  usvhost_switch_bytes_total: {
    kind: 'counter',
    help: 'Bytes of these frames.',
    labels: ['direction'],
  },
  usvhost_switch_drops_total: {
    kind: 'counter',
    help: 'Frames of all ports that were lost, by reason, the names of docs/ports.md; those of Open vSwitch begin with ovs_.',
    labels: ['reason'],
  },
  usvhost_reconciler_passes_total: {
    kind: 'counter',
    help: 'Comparisons of what the node has with what pods own, by result: complete, or partial when a source did not answer.',
    labels: ['result'],
  },
  usvhost_reconciler_pass_duration_seconds: {
    kind: 'histogram',
    help: 'Time of a comparison, waiting for the kubelet and the switch included.',
    labels: [],
    buckets: passBuckets,
  },
  usvhost_reconciler_actions_total: {
    kind: 'counter',
    help: 'What was taken away because no pod owns it: attachment, port (of the switch), tombstone, leftover (with the hands of a shim), and leftover_failed.',
    labels: ['action'],
  },
  usvhost_kubernetes_events_total: {
    kind: 'counter',
    help: 'Occurrences told as events on pods, by result: written (as an event or in the series of one), limited (the pod had too many), overflow (too many waited for the API server), refused (by the API server).',
    labels: ['result'],
  },
  usvhost_kubernetes_informer_restarts_total: {
    kind: 'counter',
    help: 'How often the watch of the pods of the node has ended by an error and was started again.',
    labels: [],
  },
  usvhost_kubernetes_last_contact_timestamp_seconds: {
    kind: 'gauge',
    help: 'When the watch of pods had its last list, change or bookmark, in seconds since 1970; none before the first, and without an API server.',
    labels: [],
  },
} as const satisfies MetricTable;
