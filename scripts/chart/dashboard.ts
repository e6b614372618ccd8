// SPDX-License-Identifier: Apache-2.0
//
// The dashboard for Grafana, one line for each panel; `npm run gen` writes it as the document that Grafana reads. The metrics are those
// of lib/agent-metrics.ts and lib/webhook-metrics.ts, the labels `job` and `node` those that the chart's monitors set.

/** Grafana's dashboard model since 10.0. */
const schemaVersion = 38;
/** Columns of Grafana's grid. */
const gridWidth = 24;
const panelHeight = 8;

interface Query {
  readonly expr: string;
  /** Name of a series, labels in double braces. */
  readonly legend: string;
}

interface Panel {
  readonly kind: 'stat' | 'timeseries';
  readonly title: string;
  readonly unit: string;
  readonly description: string;
  readonly queries: readonly Query[];
  /** Columns of 24. */
  readonly width: number;
  /** Of a stat: 0 is red, 1 is green. */
  readonly yesOrNo?: boolean;
}

interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

/** `{node=~"$node", …}` */
const of = (...more: readonly string[]): string => `{${['node=~"$node"', ...more].join(', ')}}`;

const query = (expr: string, legend: string): Query => ({ expr, legend });

const rate = (metric: string, ...labels: readonly string[]): string =>
  `sum by (${labels.join(', ')}) (rate(${metric}${of()}[$__rate_interval]))`;

const quantile = (share: number, metric: string, ...labels: readonly string[]): string => {
  const by = ['le', ...labels].join(', ');
  return `histogram_quantile(${share}, sum by (${by}) (rate(${metric}_bucket${of()}[$__rate_interval])))`;
};

const graph = (title: string, unit: string, description: string, ...queries: readonly Query[]): Panel => ({
  kind: 'timeseries',
  ...{ title, unit, description, queries },
  width: 8,
});

const light = (title: string, description: string, expr: string): Panel => ({
  kind: 'stat',
  ...{ title, unit: 'none', description },
  queries: [query(expr, '{{node}}')],
  width: 6,
  yesOrNo: true,
});

const rows: readonly Row[] = [
  {
    title: 'State of the nodes',
    panels: [
      light(
        'Agent answers',
        'Whether Prometheus can read the agent.',
        `min by (node) (up${of('job="usvhost-agent"')})`,
      ),
      light(
        'Agent ready',
        'Whether the agent has all that an ADD needs.',
        `min by (node) (usvhost_ready${of()})`,
      ),
      light(
        'Switch',
        'Whether the agent reaches the switch.',
        `min by (node) (usvhost_switch_reachable${of()})`,
      ),
      light(
        'Kubelet',
        'Whether the kubelet has accepted every resource.',
        `min by (node) (usvhost_kubelet_registered${of()})`,
      ),
    ],
  },
  {
    title: 'Ports',
    panels: [
      graph(
        'Ports by state',
        'none',
        'up: frames flow. listening, connecting: no driver.',
        query(`sum by (state) (usvhost_switch_ports${of()})`, '{{state}}'),
      ),
      graph(
        'Devices that pods hold',
        'percentunit',
        'Share of what a node offers, by resource.',
        query(
          `max by (node, resource) (usvhost_devices_held${of()}) / sum by (node, resource) (usvhost_devices${of()})`,
          '{{node}} {{resource}}',
        ),
      ),
      graph(
        'Attachments and tombstones',
        'none',
        'deleting: waits for the next CNI call. Tombstones: DELs without an agent.',
        query(`sum by (state) (usvhost_attachments${of()})`, '{{state}}'),
        query(`sum(usvhost_tombstones${of()})`, 'tombstones'),
      ),
      graph(
        'Frames',
        'pps',
        'From the point of view of the pods: tx is what they send.',
        query(rate('usvhost_switch_packets_total', 'node', 'direction'), '{{node}} {{direction}}'),
      ),
      graph(
        'Bits',
        'bps',
        'Of these frames.',
        query(`8 * ${rate('usvhost_switch_bytes_total', 'node', 'direction')}`, '{{node}} {{direction}}'),
      ),
      graph(
        'Lost frames by reason',
        'pps',
        'The reasons are explained in docs/ports.md.',
        query(rate('usvhost_switch_drops_total', 'node', 'reason'), '{{node}} {{reason}}'),
      ),
    ],
  },
  {
    title: 'Pods that come and go',
    panels: [
      graph(
        'Time of CNI calls',
        's',
        'In the agent, from the whole request to the answer.',
        query(quantile(0.5, 'usvhost_cni_call_duration_seconds', 'command'), '{{command}} half'),
        query(quantile(0.99, 'usvhost_cni_call_duration_seconds', 'command'), '{{command}} 99 %'),
      ),
      graph(
        'CNI calls by result',
        'ops',
        'OK or the code of the error, docs/errors.md.',
        query(rate('usvhost_cni_calls_total', 'command', 'result'), '{{command}} {{result}}'),
      ),
      graph(
        'Allocations by result',
        'ops',
        'Allocate of the kubelet.',
        query(rate('usvhost_device_allocations_total', 'resource', 'result'), '{{resource}} {{result}}'),
      ),
      graph(
        'Comparisons by result',
        'ops',
        'partial: the kubelet or the switch did not answer.',
        query(rate('usvhost_reconciler_passes_total', 'node', 'result'), '{{node}} {{result}}'),
      ),
      graph(
        'Time of comparisons',
        's',
        'Waiting for the kubelet and the switch included.',
        query(quantile(0.99, 'usvhost_reconciler_pass_duration_seconds', 'node'), '{{node}} 99 %'),
      ),
      graph(
        'What was cleared up',
        'ops',
        'leftover_failed: what a pod has left could not be taken away.',
        query(rate('usvhost_reconciler_actions_total', 'node', 'action'), '{{node}} {{action}}'),
      ),
      graph(
        'Events on pods by result',
        'ops',
        'limited: a pod had too many. overflow, refused: the API server was away or did not take them.',
        query(rate('usvhost_kubernetes_events_total', 'node', 'result'), '{{node}} {{result}}'),
      ),
      graph(
        'API server last heard of',
        's',
        'Seconds since the watch of pods had something; a bookmark comes about each minute.',
        query(
          `time() - max by (node) (usvhost_kubernetes_last_contact_timestamp_seconds${of()})`,
          '{{node}}',
        ),
      ),
      graph(
        'Watch of pods started again',
        'ops',
        'After an error; now and then is usual.',
        query(rate('usvhost_kubernetes_informer_restarts_total', 'node'), '{{node}}'),
      ),
    ],
  },
  {
    title: 'Webhook',
    panels: [
      graph(
        'Reviews by result',
        'ops',
        'USV_ANNOTATION: a pod that was refused.',
        query('sum by (result) (rate(usvhost_webhook_reviews_total[$__rate_interval]))', '{{result}}'),
      ),
      graph(
        'Time of reviews',
        's',
        'From the head of a request to the answer.',
        query(
          'histogram_quantile(0.99, sum by (le) (rate(usvhost_webhook_review_duration_seconds_bucket[$__rate_interval])))',
          '99 %',
        ),
      ),
      graph(
        'Certificate ends in',
        's',
        'The first one that ends, of those that replicas serve.',
        query('min(usvhost_webhook_certificate_expiry_timestamp_seconds) - time()', 'ends in'),
        query(
          'sum by (result) (increase(usvhost_webhook_certificate_reloads_total{result!="OK"}[1h]))',
          'refused: {{result}}',
        ),
      ),
    ],
  },
  {
    title: 'Processes',
    panels: [
      graph(
        'Processor time',
        'none',
        'Seconds in a second.',
        query(
          `sum by (node, job) (rate(process_cpu_seconds_total${of('job=~"usvhost-.*"')}[$__rate_interval]))`,
          '{{node}} {{job}}',
        ),
      ),
      graph(
        'Memory',
        'bytes',
        'Resident memory.',
        query(
          `sum by (node, job) (process_resident_memory_bytes${of('job=~"usvhost-.*"')})`,
          '{{node}} {{job}}',
        ),
      ),
      graph(
        'Releases',
        'none',
        'Processes by release; more than one during an upgrade.',
        query(`sum by (version) (usvhost_build_info${of()})`, '{{version}}'),
      ),
    ],
  },
];

const datasource = { type: 'prometheus', uid: '$datasource' };

function lightOptions(): object {
  const mappings = [
    { type: 'value', options: { 0: { text: 'no', color: 'red' }, 1: { text: 'yes', color: 'green' } } },
  ];
  return { mappings, thresholds: { mode: 'absolute', steps: [{ color: 'green', value: null }] } };
}

function panelDocument(panel: Panel, id: number, place: { readonly x: number; readonly y: number }): object {
  const { kind, title, unit, description, queries, width, yesOrNo } = panel;
  return {
    id,
    type: kind,
    ...{ title, description, datasource },
    gridPos: { h: yesOrNo === true ? panelHeight / 2 : panelHeight, w: width, ...place },
    fieldConfig: { defaults: { unit, ...(yesOrNo === true ? lightOptions() : { min: 0 }) }, overrides: [] },
    options: yesOrNo === true ? { colorMode: 'background', textMode: 'value_and_name' } : {},
    targets: queries.map(({ expr, legend }, index) => ({
      refId: 'ABCDEFGH'.charAt(index),
      ...{ datasource, expr, legendFormat: legend },
    })),
  };
}

function panelDocuments(): object[] {
  const documents: object[] = [];
  let y = 0;
  for (const { title, panels } of rows) {
    const row = { id: documents.length + 1, type: 'row', title, collapsed: false, panels: [] };
    documents.push({ ...row, gridPos: { h: 1, w: gridWidth, x: 0, y } });
    y += 1;
    let x = 0;
    for (const panel of panels) {
      if (x + panel.width > gridWidth) {
        x = 0;
        y += panelHeight;
      }
      documents.push(panelDocument(panel, documents.length + 1, { x, y }));
      x += panel.width;
    }
    y += panels.every(({ yesOrNo }) => yesOrNo === true) ? panelHeight / 2 : panelHeight;
  }
  return documents;
}

/** The document. */
export function dashboard(): object {
  const node = {
    name: 'node',
    type: 'query',
    label: 'node',
    datasource,
    query: { query: 'label_values(usvhost_ready, node)', refId: 'node' },
    refresh: 2,
    sort: 1,
    multi: true,
    includeAll: true,
    allValue: '.*',
    current: { text: 'All', value: '$__all' },
  };
  return {
    uid: 'usvhost',
    title: 'usvhost',
    tags: ['usvhost', 'kubernetes'],
    schemaVersion,
    editable: true,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    timezone: 'browser',
    annotations: { list: [] },
    links: [],
    templating: {
      list: [{ name: 'datasource', type: 'datasource', label: 'data source', query: 'prometheus' }, node],
    },
    panels: panelDocuments(),
  };
}
