// SPDX-License-Identifier: Apache-2.0
//
// The border to the library of metrics: a table of definitions becomes a registry of its own, with one method for each
// thing that code does with a metric. Nothing else imports the library, and there is no registry of the process.

import {
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  type Metric,
  Registry,
} from '@prometheus-io/client';

interface Definition {
  /** A gauge is read when somebody looks; the others are counted where it happens. */
  readonly kind: 'counter' | 'gauge' | 'histogram';
  /** One sentence, for people. */
  readonly help: string;
  /** Every label has few values, known from the source or the configuration. */
  readonly labels: readonly string[];
  /** Upper limits of a histogram. */
  readonly buckets?: readonly number[];
}

/** By name. */
export type MetricTable = Readonly<Record<string, Definition>>;

type NameOf<Table extends MetricTable, Kind extends Definition['kind']> = {
  [Name in keyof Table]: Table[Name]['kind'] extends Kind ? Name : never;
}[keyof Table] &
  string;

type LabelsOf<Table extends MetricTable, Name extends keyof Table> = Readonly<
  Record<Table[Name]['labels'][number], string>
>;

/** A value of a gauge. */
export interface Reading<Labels> {
  readonly labels: Labels;
  readonly value: number;
}

export class Metrics<const Table extends MetricTable> {
  /** Of what `text` returns. */
  readonly contentType: string;
  readonly #registry = new Registry();
  readonly #counters = new Map<string, Counter<string>>();
  readonly #histograms = new Map<string, Histogram<string>>();

  /** `gauges` reads each gauge; what one throws, `text` throws. */
  constructor(
    table: Table,
    gauges: {
      readonly [Name in NameOf<Table, 'gauge'>]: () => Iterable<Reading<LabelsOf<Table, Name>>>;
    },
  ) {
    this.contentType = this.#registry.contentType;
    const readers: Readonly<Record<string, () => Iterable<Reading<Readonly<Record<string, string>>>>>> =
      gauges;
    for (const [name, { kind, help, labels, buckets }] of Object.entries<Definition>(table)) {
      const common = { name, help, labelNames: [...labels], registers: [] };
      if (kind === 'counter') this.#counters.set(name, this.#add(new Counter(common)));
      else if (kind === 'histogram') {
        const limits = buckets === undefined ? {} : { buckets: [...buckets] };
        this.#histograms.set(name, this.#add(new Histogram({ ...common, ...limits })));
      } else {
        const collect = function (this: Gauge<string>): void {
          this.reset();
          for (const { labels: values, value } of readers[name]?.() ?? []) this.set(values, value);
        };
        this.#add(new Gauge({ ...common, collect }));
      }
    }
  }

  #add<Kind extends Metric<string>>(metric: Kind): Kind {
    this.#registry.registerMetric(metric);
    return metric;
  }

  /** Adds what the library knows of this process: processor time, memory, descriptors, the event loop. */
  addProcess(): void {
    collectDefaultMetrics({ register: this.#registry });
  }

  count<Name extends NameOf<Table, 'counter'>>(name: Name, labels: LabelsOf<Table, Name>, by = 1): void {
    this.#counters.get(name)?.inc(labels, by);
  }

  observe<Name extends NameOf<Table, 'histogram'>>(
    name: Name,
    labels: LabelsOf<Table, Name>,
    value: number,
  ): void {
    this.#histograms.get(name)?.observe(labels, value);
  }

  /** Everything in Prometheus's text format. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }
}
