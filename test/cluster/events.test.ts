// SPDX-License-Identifier: Apache-2.0
//
// The agent at a real API server, with the account that the chart gives it and nothing more: what pods and the node are told, what the
// account cannot do, and that pods come and go while the API server is away.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { run } from '../../cli/demo/process.ts';
import { clusterPeers } from '../../scripts/packages.ts';
import { eventually } from '../support/eventually.ts';
import { groupNeeds } from '../support/need.ts';
import { account, accountUser, askAsAgent, makeAgentAccount } from './agent-account.ts';
import { chainOurs } from './chain.ts';
import { inside } from './cluster.ts';
import { nodeName, portCount } from './names.ts';
import { importOurImage, ourImage } from './our-image.ts';
import { pod } from './pods.ts';
import { killSandbox } from './sandbox.ts';
import { Stage, stageMillis } from './stage.ts';
import { talker } from './talk.ts';
import { undoAll } from './undo.ts';

const slow = { millis: 90_000, stepMillis: 200 };
/** A dataplane that is there while the file /away is not. */
const loop =
  'while :; do test -e /away || usvhost dataplane --port net_virtio_user0,path=/var/run/usvhost/net1; sleep 0.2; done';
/** The IPAM plugin of our network, so that it can be taken away without the default network's. */
const ipamPlugin = '/opt/cni/bin/story-local';

interface EventLine {
  readonly reason: string;
  readonly type: string;
  readonly note: string;
  readonly regarding: { readonly name: string; readonly uid: string };
  readonly reportingController: string;
  readonly reportingInstance: string;
  readonly series?: { readonly count: number };
}

groupNeeds(...clusterPeers, 'go')('an agent that talks to the API server', () => {
  const undo: (() => Promise<unknown>)[] = [];
  let stage: Stage;

  beforeAll(async () => {
    const variables = await makeAgentAccount((step) => undo.push(step));
    stage = await Stage.set((step) => undo.push(step), { agent: variables });
    await importOurImage();
    await run(inside(['cp', '/opt/cni/bin/host-local', ipamPlugin]));
    undo.push(async () => run(inside(['rm', '-f', ipamPlugin])));
    const ipam = { type: 'story-local', ranges: [[{ subnet: '10.8.0.0/24' }]] };
    await chainOurs(stage, (step) => undo.push(step), { ipam });
    await stage.offers(portCount);
  }, stageMillis);

  afterAll(async () => undoAll(undo), stageMillis);

  /** Waits until the agent has told a pod so often, in one series or in several. */
  async function told(name: string, reason: string, count = 1): Promise<EventLine> {
    const look = async (): Promise<EventLine[]> => {
      const { items } = JSON.parse(await stage.kubectl('get', 'events.events.k8s.io', '--output=json'));
      return items.filter((event: EventLine) => event.regarding.name === name && event.reason === reason);
    };
    const times = (events: EventLine[]): number =>
      events.reduce((sum, { series }) => sum + (series?.count ?? 1), 0);
    const enough = (events: EventLine[]): boolean => times(events) >= count;
    const [event] = await eventually(look, enough, `${reason} on ${name}`, slow);
    if (event === undefined) throw new Error('there was one');
    expect(event).toMatchObject({ reportingController: 'usvhost-agent', reportingInstance: nodeName });
    return event;
  }

  async function condition(status: string): Promise<{ readonly [field: string]: string }> {
    const filter = '{.status.conditions[?(@.type=="UsvhostSwitchReady")]}';
    const look = async (): Promise<{ readonly [field: string]: string }> =>
      JSON.parse((await stage.kubectl('get', 'node', nodeName, `--output=jsonpath=${filter}`)) || '{}');
    return eventually(look, (found) => found['status'] === status, `the condition ${status}`, slow);
  }

  test('tells a pod that its driver is connected', async () => {
    await stage.apply(pod('a', { image: ourImage, command: ['sh', '-c', loop], ports: 1 }));
    await stage.runs('a');
    const event = await told('a', 'PortConnected');
    expect(event.regarding.uid).toBe(
      await stage.kubectl('get', 'pod', 'a', '--output=jsonpath={.metadata.uid}'),
    );
    const described = await stage.kubectl('describe', 'pod', 'a');
    expect(described).toMatch(
      /Normal +PortConnected +.*usvhost-agent +net1: a driver is connected to the port p/,
    );
  }, 240_000);

  test('tells it of the loss, of a peer that the switch refused, and of the recovery', async () => {
    // All but the container's first process and this one.
    await stage.exec('a', 'sh', '-c', 'touch /away; kill -KILL -1');
    expect(await told('a', 'PortLost')).toMatchObject({ type: 'Warning' });
    const junk =
      "net.connect('/var/run/usvhost/net1/vhost.sock').end(Buffer.alloc(64, 255)).on('error', () => {})";
    await stage.exec('a', 'node', '-e', junk);
    const refused = await told('a', 'PortRefused');
    expect(refused.note).toMatch(/^net1: USV_MESSAGE: .*if the peer is an application of yours/);
    await stage.exec('a', 'rm', '/away');
    expect(await told('a', 'PortRecovered')).toMatchObject({ type: 'Normal' });
  }, 240_000);

  test('tells a pod why its ADD fails, and what to do', async () => {
    await run(inside(['mv', ipamPlugin, `${ipamPlugin}.away`]));
    try {
      await stage.apply(talker('b'));
      const { note, type } = await told('b', 'AttachFailed');
      expect(type).toBe('Warning');
      expect(note).toMatch(/^USV_IPAM: .*story-local.* check that the plugin is in CNI_PATH/);
    } finally {
      await run(inside(['mv', `${ipamPlugin}.away`, ipamPlugin]));
    }
    await stage.runs('b');
  }, 240_000);

  test('tells a pod that the webhook has not seen', async () => {
    await stage.apply(pod('missed', { annotations: { 'usvhost.io/inject': 'true' } }));
    expect(await told('missed', 'WebhookMissed')).toMatchObject({ type: 'Warning' });
    await stage.remove('missed');
  }, 120_000);

  test('says in the status of the node whether the switch answers', async () => {
    const before = await condition('True');
    await stage.stopSwitch('KILL');
    const lost = await condition('False');
    expect(lost).toMatchObject({ reason: 'SwitchUnreachable' });
    expect(Date.parse(lost['lastTransitionTime'] ?? '')).toBeGreaterThan(
      Date.parse(before['lastTransitionTime'] ?? ''),
    );
    await stage.startSwitch();
    await condition('True');
    await stage.stopAgent();
    expect(await condition('Unknown')).toMatchObject({ reason: 'AgentStopped' });
    await stage.startAgent();
    const { lastTransitionTime } = await condition('True');
    await stage.stopAgent('KILL');
    await stage.startAgent();
    await stage.agent.says('pods are watched');
    expect(await condition('True')).toMatchObject({ lastTransitionTime });
    // The kubelet's own are all there.
    await stage.offers(portCount);
    await stage.kubectl('wait', '--for=condition=Ready', `node/${nodeName}`, '--timeout=30s');
  }, 300_000);

  test('has the rights that the chart names, and no others', async () => {
    const rightsOf = async (user: string): Promise<string[]> => {
      const list = await stage.kubectl('auth', 'can-i', '--list', `--as=${user}`, '--no-headers');
      const rows = list.split('\n').map((line) => line.trim().split(/\s{2,}/));
      return rows.map(([resource = '', ...rest]) => `${resource} ${rest.at(-1)}`);
    };
    // An account that nobody gave anything has what everybody has.
    const everybody = new Set(await rightsOf(accountUser.replace(account, 'default')));
    const own = (await rightsOf(accountUser)).filter((right) => !everybody.has(right)).toSorted();
    expect(own).toEqual([
      'events.events.k8s.io [create patch]',
      'nodes/status [get patch]',
      'pods [list watch]',
    ]);
  }, 60_000);

  test('cannot change another node, nor more of its own than its condition, nor write events of others', async () => {
    const other = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'other' } };
    await stage.apply(other);
    try {
      const conditions = (type: string): object => ({
        status: { conditions: [{ type, status: 'False', reason: 'Story', message: 'of a test' }] },
      });
      const patch = async (node: string, body: object): Promise<string> =>
        askAsAgent('PATCH', `/api/v1/nodes/${node}/status`, body);
      expect(await patch('other', conditions('UsvhostSwitchReady'))).toMatch(/^422 .*of its own node only/);
      expect(await patch(nodeName, conditions('Ready'))).toMatch(/^422 .*UsvhostSwitchReady only/);
      expect(await patch(nodeName, { status: { capacity: { 'usvhost.io/port': '9' } } })).toMatch(
        /^422 .*UsvhostSwitchReady only/,
      );
      expect(await patch(nodeName, { metadata: { labels: { story: 'x' } } })).toMatch(
        /^422 .*status of a node only/,
      );
      expect(
        await askAsAgent('PATCH', `/api/v1/nodes/${nodeName}`, { spec: { unschedulable: true } }),
      ).toMatch(/^403 /);
      const event = {
        apiVersion: 'events.k8s.io/v1',
        kind: 'Event',
        metadata: { name: 'story', namespace: stage.namespace },
        eventTime: '2026-01-01T00:00:00.000000Z',
        reportingController: 'kubelet',
        reportingInstance: nodeName,
        type: 'Normal',
        action: 'Story',
        reason: 'Story',
        regarding: { apiVersion: 'v1', kind: 'Pod', namespace: stage.namespace, name: 'a' },
      };
      const path = `/apis/events.k8s.io/v1/namespaces/${stage.namespace}/events`;
      expect(await askAsAgent('POST', path, event)).toMatch(/^422 .*events of its own on pods only/);
      expect(await askAsAgent('GET', `/api/v1/namespaces/${stage.namespace}/secrets`)).toMatch(/^403 /);
    } finally {
      await stage.kubectl('delete', 'node', 'other');
    }
  }, 120_000);

  test('serves ADD and DEL while the API server is away, and tells of it afterwards', async () => {
    const calls = (command: string): number =>
      stage.agent.lines.filter(
        (line) => line.includes(`"command":"${command}"`) && line.includes('CNI call done'),
      ).length;
    const before = { added: calls('ADD'), deleted: calls('DEL') };
    await stage.killDaemon('kube-apiserver', 'STOP');
    try {
      // The kubelet makes a sandbox anew that has gone, and needs nobody for it.
      await killSandbox(stage, 'a');
      await stage.agent.until(
        () => calls('ADD') > before.added && calls('DEL') > before.deleted,
        'it served an ADD and a DEL',
      );
    } finally {
      await stage.killDaemon('kube-apiserver', 'CONT');
    }
    await told('a', 'PortConnected', 2);
    await stage.runs('a');
  }, 300_000);

  test('leaves nothing when they are gone', async () => {
    await stage.remove('a', 'b');
    await stage.nothingLeft();
  }, 240_000);
});
