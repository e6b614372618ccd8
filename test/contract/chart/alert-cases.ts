// SPDX-License-Identifier: Apache-2.0
//
// For each alert of the chart one story in which it fires and one in which it does not, in the notation of promtool: `0+10x60` is
// a series that begins with 0 and grows by 10 for 60 steps of a minute, `_` a step without a value.

type Series = Readonly<Record<string, string>>;

export interface AlertCase {
  /** When it is looked at: minutes from the start. */
  readonly minutes: number;
  readonly fires: Series;
  /** Labels of the alert, beside its name and severity. */
  readonly labels: Series;
  /** Its description as a person reads it. */
  readonly says: string;
  readonly quiet: Series;
}

const agent = 'job="usvhost-agent", node="n1", instance="10.0.0.1:9808", pod="a-1"';
const webhook = 'job="usvhost-webhook", node="n1", instance="10.0.0.2:9809", pod="w-1"';
const port = 'resource="usvhost.io/port"';
const slices = 'resource="usvhost.io/shm-64Mi"';
const n1 = { node: 'n1' };
const failOpen = 'apiserver_admission_webhook_fail_open_count{name="pods.usvhost.io", type="admit"}';
const day = 86_400;

export const alertCases: Readonly<Record<string, AlertCase>> = {
  UsvhostAgentDown: {
    minutes: 10,
    fires: { [`up{${agent}}`]: '1 0x20' },
    labels: n1,
    says: 'The metrics of the agent on n1 could not be read for 5 minutes. While it is away, pods with ports do not start there.',
    quiet: { [`up{${agent}}`]: '1 1 0 0 1x20' },
  },
  UsvhostAgentMissing: {
    minutes: 15,
    fires: { 'up{job="kubelet", node="n1"}': '1x20' },
    labels: { job: 'usvhost-agent' },
    says: 'There has been no target usvhost-agent for 10 minutes, so no other alert about nodes can fire.',
    quiet: { [`up{${agent}}`]: '0x20' },
  },
  UsvhostAgentRestarts: {
    minutes: 30,
    fires: { [`process_start_time_seconds{${agent}}`]: '0+100x40' },
    labels: n1,
    says: 'The agent on n1 has started 30 times in 30 minutes.',
    quiet: { [`process_start_time_seconds{${agent}}`]: '5 5 9 9 12 12 15x40' },
  },
  UsvhostAgentNotReady: {
    minutes: 10,
    fires: {
      [`usvhost_ready{${agent}, part="cni"}`]: '0x20',
      [`usvhost_ready{${agent}, part="state"}`]: '1x20',
    },
    labels: { ...n1, part: 'cni' },
    says: "On n1 the agent's part cni has not been ready for 5 minutes.",
    quiet: {
      [`usvhost_ready{${agent}, part="cni"}`]: '1x20',
      [`usvhost_ready{${agent}, part="switch"}`]: '0x20',
    },
  },
  UsvhostKubeletRegistrationLost: {
    minutes: 10,
    fires: { [`usvhost_kubelet_registered{${agent}, ${port}}`]: '0x20' },
    labels: { ...n1, resource: 'usvhost.io/port' },
    says: 'The kubelet on n1 has not accepted usvhost.io/port for 5 minutes: pods that ask for it are not placed there.',
    quiet: { [`usvhost_kubelet_registered{${agent}, ${port}}`]: '0 0 0 1x20' },
  },
  UsvhostAddsFail: {
    minutes: 30,
    fires: {
      [`usvhost_cni_calls_total{${agent}, command="ADD", result="OK"}`]: '0+3x40',
      [`usvhost_cni_calls_total{${agent}, command="ADD", result="USV_SWITCH_UNREACHABLE"}`]: '0+1x40',
    },
    labels: n1,
    says: 'On n1 25% of the CNI calls ADD have failed for 10 minutes.',
    quiet: {
      [`usvhost_cni_calls_total{${agent}, command="ADD", result="OK"}`]: '0+30x40',
      [`usvhost_cni_calls_total{${agent}, command="ADD", result="USV_CNI_FIELD"}`]: '0+1x40',
      [`usvhost_cni_calls_total{${agent}, command="DEL", result="USV_IO"}`]: '0+30x40',
    },
  },
  UsvhostAllocationsFail: {
    minutes: 20,
    fires: {
      [`usvhost_device_allocations_total{${agent}, ${port}, result="USV_PORT_OCCUPIED"}`]: '0x10 1x20',
    },
    labels: { ...n1, resource: 'usvhost.io/port', result: 'USV_PORT_OCCUPIED' },
    says: 'On n1 Allocate of usvhost.io/port has failed with USV_PORT_OCCUPIED in the last 15 minutes.',
    quiet: { [`usvhost_device_allocations_total{${agent}, ${port}, result="OK"}`]: '0+5x30' },
  },
  UsvhostApiServerLost: {
    minutes: 20,
    fires: { [`usvhost_kubernetes_last_contact_timestamp_seconds{${agent}}`]: '60x30' },
    labels: n1,
    says: "The agent on n1 has heard nothing of the API server for 19m 0s: pods get no events, and the node's condition is old.",
    quiet: { [`usvhost_kubernetes_last_contact_timestamp_seconds{${agent}}`]: '0+60x10 600x20' },
  },
  UsvhostPortsNearlyUsed: {
    minutes: 20,
    fires: {
      [`usvhost_devices_held{${agent}, ${port}}`]: '60x30',
      [`usvhost_devices{${agent}, ${port}, health="Healthy"}`]: '60x30',
      [`usvhost_devices{${agent}, ${port}, health="Unhealthy"}`]: '4x30',
    },
    labels: { ...n1, resource: 'usvhost.io/port' },
    says: 'Pods on n1 hold 93.75% of usvhost.io/port.',
    quiet: {
      [`usvhost_devices_held{${agent}, ${port}}`]: '57x30',
      [`usvhost_devices{${agent}, ${port}, health="Healthy"}`]: '64x30',
      [`usvhost_devices_held{${agent}, ${slices}}`]: '4x30',
      [`usvhost_devices{${agent}, ${slices}, health="Healthy"}`]: '4x30',
    },
  },
  UsvhostSlicesExhausted: {
    minutes: 20,
    fires: {
      [`usvhost_devices_held{${agent}, ${slices}}`]: '4x30',
      [`usvhost_devices{${agent}, ${slices}, health="Healthy"}`]: '4x30',
      [`usvhost_devices{${agent}, ${slices}, health="Unhealthy"}`]: '0x30',
    },
    labels: { ...n1, resource: 'usvhost.io/shm-64Mi' },
    says: 'Pods on n1 hold all 4 of usvhost.io/shm-64Mi; another one that asks for it goes elsewhere or waits.',
    quiet: {
      [`usvhost_devices_held{${agent}, ${slices}}`]: '3x30',
      [`usvhost_devices{${agent}, ${slices}, health="Healthy"}`]: '4x30',
      [`usvhost_devices_held{${agent}, ${port}}`]: '64x30',
      [`usvhost_devices{${agent}, ${port}, health="Healthy"}`]: '64x30',
    },
  },
  UsvhostSwitchDown: {
    minutes: 5,
    fires: { [`usvhost_switch_reachable{${agent}}`]: '0x10' },
    labels: n1,
    says: 'The agent on n1 has not reached the switch for 2 minutes: its ports carry no frames, or nobody can say whether they do.',
    quiet: { [`usvhost_switch_reachable{${agent}}`]: '1 0 1x10' },
  },
  UsvhostPortsWithoutDriver: {
    minutes: 20,
    fires: {
      [`usvhost_switch_ports{${agent}, state="listening"}`]: '2x30',
      [`usvhost_switch_ports{${agent}, state="handshake"}`]: '1x30',
      [`usvhost_switch_ports{${agent}, state="up"}`]: '5x30',
    },
    labels: n1,
    says: '3 ports on n1 have been without a running driver for 15 minutes.',
    quiet: {
      [`usvhost_switch_ports{${agent}, state="listening"}`]: '2x5 0 2x20',
      [`usvhost_switch_ports{${agent}, state="up"}`]: '5x30',
    },
  },
  UsvhostDropsRising: {
    minutes: 20,
    fires: {
      [`usvhost_switch_drops_total{${agent}, reason="rx_drop_no_buffer"}`]: '0+50x30',
      [`usvhost_switch_packets_total{${agent}, direction="tx"}`]: '0+1000x30',
      [`usvhost_switch_packets_total{${agent}, direction="rx"}`]: '0+950x30',
    },
    labels: { ...n1, reason: 'rx_drop_no_buffer' },
    says: '5% of the frames that pods on n1 send have been lost as rx_drop_no_buffer for 10 minutes.',
    quiet: {
      [`usvhost_switch_drops_total{${agent}, reason="rx_drop_no_buffer"}`]: '0+5x30',
      [`usvhost_switch_drops_total{${agent}, reason="tx_drop_down"}`]: '10000x30',
      [`usvhost_switch_packets_total{${agent}, direction="tx"}`]: '0+1000x30',
    },
  },
  UsvhostSpoofedFrames: {
    minutes: 15,
    fires: { [`usvhost_switch_drops_total{${agent}, reason="tx_drop_spoofed"}`]: '0+60x20' },
    labels: n1,
    says: 'Pods on n1 have sent frames under foreign MAC addresses for 5 minutes, 1 a second. They were dropped.',
    quiet: { [`usvhost_switch_drops_total{${agent}, reason="tx_drop_spoofed"}`]: '7x20' },
  },
  UsvhostReconcilerFails: {
    minutes: 180,
    fires: {
      [`usvhost_reconciler_passes_total{${agent}, result="partial"}`]: '0+1x200',
      [`usvhost_reconciler_passes_total{${agent}, result="complete"}`]: '3x200',
    },
    labels: n1,
    says: 'On n1 no comparison was complete in 2 hours, so what gone pods have left is not found.',
    quiet: {
      [`usvhost_reconciler_passes_total{${agent}, result="partial"}`]: '0+1x200',
      [`usvhost_reconciler_passes_total{${agent}, result="complete"}`]: '3x100 4x100',
    },
  },
  UsvhostLeftoversFail: {
    minutes: 30,
    fires: { [`usvhost_reconciler_actions_total{${agent}, action="leftover_failed"}`]: '0x10 1x40' },
    labels: n1,
    says: 'On n1 clearing up after pods that are gone has failed in the last hour.',
    quiet: {
      [`usvhost_reconciler_actions_total{${agent}, action="leftover_failed"}`]: '2x50',
      [`usvhost_reconciler_actions_total{${agent}, action="leftover"}`]: '0+1x50',
    },
  },
  UsvhostLeftoversWait: {
    minutes: 70,
    fires: { [`usvhost_attachments{${agent}, state="deleting"}`]: '2x80' },
    labels: n1,
    says: '2 attachments on n1 have been waiting for an hour for hands with privileges.',
    quiet: {
      [`usvhost_attachments{${agent}, state="deleting"}`]: '2x30 0 1x40',
      [`usvhost_attachments{${agent}, state="ready"}`]: '9x80',
    },
  },
  UsvhostTombstonesWait: {
    minutes: 40,
    fires: { [`usvhost_tombstones{${agent}}`]: '1x60' },
    labels: n1,
    says: '1 tombstones on n1 have been waiting for 30 minutes.',
    quiet: { [`usvhost_tombstones{${agent}}`]: '3x5 0x60' },
  },
  UsvhostWebhookDown: {
    minutes: 10,
    fires: { [`up{${webhook}}`]: '0x20', [`up{${webhook.replaceAll('2', '3')}}`]: '0x20' },
    labels: {},
    says: 'No replica of the webhook has answered for 5 minutes. Pods that are made now get no ports.',
    quiet: { [`up{${webhook}}`]: '0x20', [`up{${webhook.replaceAll('2', '3')}}`]: '1x20' },
  },
  UsvhostWebhookMissed: {
    minutes: 20,
    // The API server's series begins with the first pod that was missed.
    fires: { [failOpen]: '_x10 1x30' },
    labels: { name: 'pods.usvhost.io' },
    says: 'In the last 15 minutes the API server has failed to ask pods.usvhost.io and made pods without it; those that wanted ports have none.',
    quiet: { [failOpen]: '1x40', [failOpen.replace('pods.usvhost.io', 'other.example')]: '0+1x40' },
  },
  UsvhostWebhookErrors: {
    minutes: 20,
    fires: { [`usvhost_webhook_reviews_total{${webhook}, result="USV_INTERNAL"}`]: '0+1x30' },
    labels: { result: 'USV_INTERNAL' },
    says: 'Reviews have ended with USV_INTERNAL in the last 15 minutes.',
    quiet: {
      [`usvhost_webhook_reviews_total{${webhook}, result="patched"}`]: '0+9x30',
      [`usvhost_webhook_reviews_total{${webhook}, result="USV_ANNOTATION"}`]: '0+1x30',
      [`usvhost_webhook_reviews_total{${webhook}, result="USV_INTERNAL"}`]: '3x30',
    },
  },
  UsvhostWebhookRefuses: {
    minutes: 20,
    fires: { [`usvhost_webhook_reviews_total{${webhook}, result="USV_ANNOTATION"}`]: '0+1x30' },
    labels: {},
    says: '15 pods were refused in the last 15 minutes because of a wrong annotation of usvhost.io.',
    quiet: {
      [`usvhost_webhook_reviews_total{${webhook}, result="USV_ANNOTATION"}`]: '4x30',
      [`usvhost_webhook_reviews_total{${webhook}, result="patched"}`]: '0+9x30',
    },
  },
  UsvhostWebhookCertificateEnds: {
    minutes: 120,
    fires: { [`usvhost_webhook_certificate_expiry_timestamp_seconds{${webhook}}`]: `${3 * day}x130` },
    labels: {},
    says: 'The certificate that a replica serves ends in 2d 22h 0m 0s. After that pods get no ports.',
    quiet: { [`usvhost_webhook_certificate_expiry_timestamp_seconds{${webhook}}`]: `${15 * day}x130` },
  },
  UsvhostWebhookCertificateRefused: {
    minutes: 30,
    fires: {
      [`usvhost_webhook_certificate_reloads_total{${webhook}, result="USV_CERTIFICATE"}`]: '0x10 1x40',
    },
    labels: { result: 'USV_CERTIFICATE' },
    says: 'A new certificate was refused with USV_CERTIFICATE in the last hour; the one before goes on being served.',
    quiet: { [`usvhost_webhook_certificate_reloads_total{${webhook}, result="OK"}`]: '0x10 1x40' },
  },
};
