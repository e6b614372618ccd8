// SPDX-License-Identifier: Apache-2.0
//
// What a running agent says of itself: metrics of calls, devices and the switch, readiness that follows the switch, and
// log lines that name the attachment.

import { connect } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { attachmentPort } from '../../../cni/attachment.ts';
import { type FakeKubelet, startFakeKubelet } from '../../fakes/kubelet.ts';
import { FakePodResources } from '../../fakes/pod-resources.ts';
import { eventually } from '../../support/eventually.ts';
import { readExposition, valueOf } from '../../support/exposition.ts';
import { onNode, type Pod, TestNode } from './node.ts';

onNode('metrics', () => {
  let node: TestNode;
  let kubelet: FakeKubelet | undefined;
  let lines: Record<string, unknown>[];

  beforeEach(async () => {
    lines = [];
    node = await TestNode.start({ agent: false });
    kubelet = await startFakeKubelet({ root: node.root });
    const log = pino({ level: 'info' }, { write: (line: string) => lines.push(JSON.parse(line)) });
    await node.startAgent({ log, config: { metricsAddress: '127.0.0.1', metricsPort: 0, ports: 4 } });
  });

  afterEach(async () => {
    await node.close();
    await kubelet?.close();
  });

  async function get(path: string): Promise<{ status: number; text: string }> {
    const { address = '', port = 0 } = node.status ?? {};
    const answer = await fetch(`http://${address}:${port}${path}`);
    return { status: answer.status, text: await answer.text() };
  }

  /** A page of metrics on which the value is as wanted. */
  const until = (sample: string, labels: Record<string, string>, value: number): Promise<string> =>
    eventually(
      async () => (await get('/metrics')).text,
      (page) => valueOf(page, sample, labels) === value,
      `${sample} ${JSON.stringify(labels)} ${value}`,
      { millis: 30_000, stepMillis: 100 },
    );
  const ready = (status: number): Promise<{ text: string }> =>
    eventually(
      () => get('/readyz'),
      (answer) => answer.status === status,
      `readiness ${status}`,
      { millis: 30_000, stepMillis: 20 },
    );
  const args = {
    CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;K8S_POD_UID=7f3c-11',
  };
  const port = (pod: Pod): string => attachmentPort({ containerId: pod.containerId, ifname: 'net1' });

  test('calls, attachments, devices, registration and the switch are counted', async () => {
    const pod = await node.pod();
    expect((await node.cni('ADD', pod, node.config(pod))).code).toBe(0);
    expect((await node.cni('ADD', pod, node.config(pod, { mtu: 1 }))).code).toBe(1);
    expect((await node.shim({ CNI_COMMAND: 'FETCH', CNI_CONTAINERID: 'c' }, '{}')).code).toBe(1);
    await kubelet?.allocate('usvhost.io/port', 1);
    await expect(kubelet?.allocateDevices('usvhost.io/port', [['port-99']])).rejects.toThrow();

    const page = await until('usvhost_cni_calls_total', { command: 'ADD', result: 'USV_CONFIG' }, 1);
    expect(valueOf(page, 'usvhost_cni_calls_total', { command: 'ADD', result: 'OK' })).toBe(1);
    expect(valueOf(page, 'usvhost_cni_call_duration_seconds_count', { command: 'ADD' })).toBe(2);
    expect(valueOf(page, 'usvhost_cni_call_duration_seconds_sum', { command: 'ADD' })).toBeGreaterThan(0);
    expect(valueOf(page, 'usvhost_attachments', { state: 'ready' })).toBe(1);
    expect(valueOf(page, 'usvhost_devices', { resource: 'usvhost.io/port', health: 'Healthy' })).toBe(4);
    expect(valueOf(page, 'usvhost_device_allocations_total', { result: 'OK' })).toBe(1);
    expect(valueOf(page, 'usvhost_device_allocations_total', { result: 'USV_DEVICE_UNKNOWN' })).toBe(1);
    expect(valueOf(page, 'usvhost_kubelet_registrations_total')).toBe(1);
    expect(valueOf(page, 'usvhost_kubelet_registered')).toBe(1);
    expect(valueOf(page, 'usvhost_switch_reachable')).toBe(1);
    expect(valueOf(page, 'usvhost_tombstones')).toBe(0);
    expect(valueOf(page, 'usvhost_reconciler_passes_total', { result: 'partial' })).toBeGreaterThan(0);
    expect(valueOf(page, 'usvhost_build_info')).toBe(1);
    expect(valueOf(page, 'process_cpu_seconds_total')).toBeGreaterThan(0);
    expect(readExposition(page).get('usvhost_cni_call_duration_seconds')?.type).toBe('histogram');
    for (const unbounded of [pod.containerId, port(pod), 'web-0']) expect(page).not.toContain(unbounded);

    expect((await node.cni('DEL', pod, node.config(pod))).code).toBe(0);
    await until('usvhost_attachments', { state: 'ready' }, 0);
    await until('usvhost_cni_calls_total', { command: 'DEL', result: 'OK' }, 1);
  }, 60_000);

  test('frames and drops of all ports are added up, and stay when the port goes', async () => {
    const pod = await node.pod();
    expect((await node.cni('ADD', pod, node.config(pod))).code).toBe(0);
    node.switch.say({
      counters: { tx_packets: '5', tx_bytes: '500', rx_packets: '1', rx_drop_no_buffer: '0' },
    });
    // What was counted before the first look belongs to nobody.
    await until('usvhost_switch_packets_total', { direction: 'tx' }, 0);
    node.switch.say({
      counters: { tx_packets: '8', tx_bytes: '900', rx_packets: '2', rx_drop_no_buffer: '4' },
    });
    const page = await until('usvhost_switch_packets_total', { direction: 'tx' }, 3);
    expect(valueOf(page, 'usvhost_switch_packets_total', { direction: 'rx' })).toBe(1);
    expect(valueOf(page, 'usvhost_switch_bytes_total', { direction: 'tx' })).toBe(400);
    expect(valueOf(page, 'usvhost_switch_drops_total', { reason: 'rx_drop_no_buffer' })).toBe(4);
    expect(page).not.toContain(port(pod));
    expect((await node.cni('DEL', pod, node.config(pod))).code).toBe(0);
    await until('usvhost_switch_packets_total', { direction: 'tx' }, 3);
  }, 60_000);

  test('devices that pods hold are those of the kubelet', async () => {
    await node.stopAgent();
    const pods = await FakePodResources.start(node.root);
    try {
      pods.add('shop', 'web-0', ['port-1', 'port-2']);
      pods.add('shop', 'web-1', ['gpu-1'], 'vendor.example/gpu');
      await node.startAgent({ config: { metricsAddress: '127.0.0.1', metricsPort: 0, ports: 4 } });
      const page = await until('usvhost_devices_held', { resource: 'usvhost.io/port' }, 2);
      expect(page).not.toContain('vendor.example/gpu');
    } finally {
      await pods.stop();
    }
  }, 60_000);

  test('readiness follows the switch and the kubelet, health does not', async () => {
    expect((await ready(200)).text).toBe(
      '[+]state: open\n[+]cni: listening\n[+]kubelet: registered\n[+]switch: reachable\n',
    );
    await node.switch.kill();
    expect((await ready(503)).text).toContain('[-]switch: does not answer');
    expect(await get('/healthz')).toEqual({ status: 200, text: 'ok\n' });
    const page = await until('usvhost_switch_reachable', {}, 0);
    expect(valueOf(page, 'usvhost_ready', { part: 'switch' })).toBe(0);
    expect(valueOf(page, 'usvhost_ready', { part: 'cni' })).toBe(1);
    await node.switch.start();
    expect((await ready(200)).text).toContain('[+]switch: reachable');
    await until('usvhost_switch_reachable', {}, 1);

    if (kubelet !== undefined) kubelet.refuseWith = 'not today';
    await kubelet?.restart();
    expect((await ready(503)).text).toContain('[-]kubelet: usvhost.io/port: USV_KUBELET: ');
    if (kubelet !== undefined) kubelet.refuseWith = undefined;
    expect((await ready(200)).text).toContain('[+]kubelet: registered');
    await until('usvhost_kubelet_registrations_total', {}, 2);
  }, 90_000);

  test('who holds every connection, and asks without end, does not hold up a call', async () => {
    const { address = '', port: number = 0 } = node.status ?? {};
    const idle = Array.from({ length: 40 }, () =>
      connect({ host: address, port: number }).on('error', () => undefined),
    );
    const pod = await node.pod();
    expect((await node.cni('ADD', pod, node.config(pod))).code).toBe(0);
    for (const socket of idle) socket.destroy();
    const asked = Array.from({ length: 100 }, () => get('/metrics').catch(() => undefined));
    expect((await node.cni('DEL', pod, node.config(pod))).code).toBe(0);
    await Promise.all(asked);
    expect((await get('/healthz')).status).toBe(200);
  }, 60_000);

  test('a tombstone and what becomes of it are counted', async () => {
    const pod = await node.pod();
    const config = node.config(pod);
    expect((await node.cni('ADD', pod, config)).code).toBe(0);
    await node.stopAgent();
    expect((await node.cni('DEL', pod, config)).code).toBe(0);
    await node.startAgent({ config: { metricsAddress: '127.0.0.1', metricsPort: 0 } });
    await until('usvhost_reconciler_actions_total', { action: 'tombstone' }, 1);
    await until('usvhost_tombstones', {}, 0);
  }, 60_000);

  test('every line about a call names the attachment, and each Allocate its devices', async () => {
    const pod = await node.pod();
    expect((await node.cni('ADD', pod, node.config(pod), args)).code).toBe(0);
    await node.switch.kill();
    expect((await node.cni('DEL', pod, node.config(pod), args)).code).toBe(0);
    const about = lines.filter(({ containerId }) => containerId === pod.containerId);
    expect(about.map(({ command, msg }) => [command, msg])).toEqual([
      ['ADD', 'CNI call done'],
      ['DEL', 'the switch could not be asked to remove the port'],
      ['DEL', 'the port directory that the switch left is gone'],
      ['DEL', 'CNI call done'],
    ]);
    for (const line of about)
      expect(line).toMatchObject({
        ifname: 'net1',
        podNamespace: 'shop',
        podName: 'web-0',
        podUid: '7f3c-11',
        device: pod.device,
        port: port(pod),
      });

    await kubelet?.allocateDevices('usvhost.io/port', [['port-3']]);
    await expect(kubelet?.allocateDevices('usvhost.io/port', [['port-99']])).rejects.toThrow();
    expect(lines.filter(({ containers }) => containers !== undefined)).toMatchObject([
      { resource: 'usvhost.io/port', containers: [['port-3']], msg: 'devices allocated' },
      { resource: 'usvhost.io/port', containers: [['port-99']], call: 'Allocate' },
    ]);
  }, 60_000);
});
