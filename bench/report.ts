// SPDX-License-Identifier: Apache-2.0
//
// The result of a benchmark as a table for people.

import type { BenchDocument } from './document.ts';
import { describeCase } from './runner.ts';

function column(cells: readonly string[], right: boolean): string[] {
  const width = Math.max(...cells.map((cell) => cell.length));
  return cells.map((cell) => (right ? cell.padStart(width) : cell.padEnd(width)));
}

/** Ends with a newline. */
export function benchTable(document: BenchDocument): string {
  const rows = [['case', 'candidate', 'unit', 'median', 'min', 'max', 'ours / it']];
  for (const each of document.cases) {
    const arrow = each.better === 'higher' ? '↑' : '↓';
    for (const { name, median, min, max } of each.candidates) {
      const ratio = each.ratio[name];
      const numbers = [median, min, max].map(String);
      const unit = `${each.unit} ${arrow}`;
      rows.push([describeCase(each), name, unit, ...numbers, ratio === undefined ? '' : `${ratio} ×`]);
    }
  }
  const columns = (rows[0] ?? []).map((_, index) =>
    column(
      rows.map((row) => row[index] ?? ''),
      index >= 3,
    ),
  );
  const lines = rows.map((_, row) => columns.map((cells) => cells[row] ?? '').join('  '));
  const skipped = document.skipped.map(
    ({ case: name, candidate, needs, packages }) =>
      `${name}: ${candidate} skipped: needs ${needs.join(', ')} (apt-get install ${packages.join(' ')})`,
  );
  const { cpu, cpus, kernel, load, hugepages } = document.machine;
  const machine = `${cpu}, ${cpus} CPUs, Linux ${kernel}, load ${load}, peers on ${hugepages ? 'hugepages' : 'ordinary pages'}`;
  const length = `${document.rounds} rounds of ${document.seconds} s`;
  return `${[...lines.map((line) => line.trimEnd()), '', ...skipped, `${machine}; ${length}`].join('\n')}\n`;
}
