// SPDX-License-Identifier: Apache-2.0
//
// A strict reader of Prometheus's text format (exposition format 0.0.4): what a server may leave out is demanded, so that
// a page that passes here can be read by any scraper.

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

interface Family {
  readonly type: string;
  readonly help: string;
  /** By the name in the line, `x_bucket` of a histogram `x` for instance. */
  readonly samples: Map<string, Sample[]>;
}

const nameForm = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const labelForm = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/y;
const suffixes: Readonly<Record<string, readonly string[]>> = {
  counter: [''],
  gauge: [''],
  histogram: ['_bucket', '_sum', '_count'],
  summary: ['', '_sum', '_count'],
};

function readLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  labelForm.lastIndex = 0;
  while (labelForm.lastIndex < text.length) {
    const at = labelForm.lastIndex;
    const [, name = '', value = ''] = labelForm.exec(text) ?? [];
    if (name === '') throw new Error(`no label at ${at} in ${text}`);
    if (name in labels) throw new Error(`label ${name} twice in ${text}`);
    labels[name] = value;
  }
  return labels;
}

function readValue(text: string): number {
  if (text === '+Inf') return Infinity;
  // What has not been measured yet, as the event loop's delay of a process that has just started.
  if (text.toLowerCase() === 'nan') return Number.NaN;
  if (!/^-?\d+(\.\d+)?(e[+-]?\d+)?$/.test(text)) throw new Error(`no value: ${text}`);
  return Number(text);
}

function checkHistogram(name: string, { samples }: Family): void {
  const buckets = Map.groupBy(samples.get(`${name}_bucket`) ?? [], ({ labels }) =>
    JSON.stringify(Object.entries(labels).filter(([label]) => label !== 'le')),
  );
  const counts = samples.get(`${name}_count`) ?? [];
  if (counts.length !== buckets.size) throw new Error(`${name} has counts without buckets`);
  for (const [n, series] of [...buckets.values()].entries()) {
    const limits = series.map(({ labels }) => readValue(labels['le'] ?? ''));
    const values = series.map(({ value }) => value);
    const grows = (list: readonly number[]): boolean =>
      list.every((value, at) => value >= (list[at - 1] ?? value));
    if (limits.at(-1) !== Infinity || !grows(limits) || !grows(values)) throw new Error(`buckets of ${name}`);
    if (values.at(-1) !== counts[n]?.value) throw new Error(`the count of ${name} is not its last bucket`);
  }
}

/** The metrics of a page, by name. Throws for anything that is not exactly the format. */
export function readExposition(text: string): ReadonlyMap<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const families = new Map<string, Family>();
  let help: [name: string, text: string] | undefined;
  let current: [name: string, family: Family] | undefined;
  const series = new Set<string>();
  for (const line of text.slice(0, -1).split('\n')) {
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (kind === 'HELP') help = [name, rest];
    else if (kind === 'TYPE') {
      if (help?.[0] !== name || families.has(name) || !nameForm.test(name)) throw new Error(`type: ${line}`);
      if (!(rest in suffixes)) throw new Error(`unknown type: ${line}`);
      current = [name, { type: rest, help: help[1], samples: new Map() }];
      families.set(...current);
    } else if (line !== '') {
      const [, sample = '', labels = '', value = ''] = /^([^\s{]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
      const [family = '', { type, samples }] = current ?? ['', { type: '', samples: new Map() }];
      if (!(suffixes[type] ?? []).some((suffix) => sample === family + suffix))
        throw new Error(`a line of no metric: ${line}`);
      if (series.has(sample + labels)) throw new Error(`twice: ${line}`);
      series.add(sample + labels);
      samples.set(sample, [
        ...(samples.get(sample) ?? []),
        { labels: readLabels(labels), value: readValue(value) },
      ]);
    }
  }
  for (const [name, family] of families) if (family.type === 'histogram') checkHistogram(name, family);
  return families;
}

/** One value of a page; undefined when there is no such series. */
export function valueOf(
  page: string,
  sample: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const wanted = Object.entries(labels);
  for (const { samples } of readExposition(page).values()) {
    for (const each of samples.get(sample) ?? [])
      if (wanted.every(([name, value]) => each.labels[name] === value)) return each.value;
  }
  return undefined;
}
