// SPDX-License-Identifier: Apache-2.0
//
// The result of a benchmark as a picture: for each case a bar for each candidate, as long as its median, with a line from its smallest run to its
// largest. Bars of one case share a scale, which begins at nought; those of two cases are not comparable.

import type { BenchDocument, MeasuredCandidate, MeasuredCase } from './document.ts';
import { describeCase } from './runner.ts';

const width = 760;
const margin = 16;
/** Where bars begin and how long the longest is. */
const left = 190;
const reach = 380;
const barHeight = 14;
const rowHeight = 22;
const titleHeight = 30;
const gap = 12;

/** Ours and the others, seen on white and on black. */
const colours = { ours: '#2f81f7', peer: '#8b949e', line: '#d29922', words: '#7d8590' };

function escaped(words: string): string {
  return words.replace(/[&<>"]/g, (sign) => `&#${sign.codePointAt(0)};`);
}

function text(x: number, y: number, words: string, more = ''): string {
  return `<text x="${x}" y="${y}" fill="${colours.words}" ${more}>${escaped(words)}</text>`;
}

function bar(
  candidate: MeasuredCandidate,
  scale: number,
  y: number,
  ratio: number | undefined,
  first: boolean,
): string {
  const at = (value: number): string => (left + value * scale).toFixed(1);
  const middle = y + barHeight / 2;
  const words = `${candidate.median}${ratio === undefined ? '' : `   ours: ${ratio} ×`}`;
  const end = Number(at(candidate.max)) + 8;
  return [
    text(left - 8, y + barHeight - 3, candidate.name, 'text-anchor="end"'),
    `<rect x="${left}" y="${y}" width="${(candidate.median * scale).toFixed(1)}" height="${barHeight}" rx="2" fill="${first ? colours.ours : colours.peer}"/>`,
    `<line x1="${at(candidate.min)}" x2="${at(candidate.max)}" y1="${middle}" y2="${middle}" stroke="${colours.line}" stroke-width="2"/>`,
    text(end, y + barHeight - 3, words),
  ].join('\n');
}

function block(each: MeasuredCase, top: number): string {
  const largest = Math.max(...each.candidates.map(({ max }) => max));
  const scale = largest === 0 ? 0 : reach / largest;
  // Of several that nobody compares, such as how busy the source was, neither is.
  const compared = each.candidates.length === 1 || Object.keys(each.ratio).length > 0;
  const better = each.better === 'higher' ? ', more is better' : ', less is better';
  const rows = each.candidates.map((candidate, index) =>
    bar(candidate, scale, top + titleHeight + index * rowHeight, each.ratio[candidate.name], index === 0),
  );
  return [
    text(
      margin,
      top + 18,
      `${describeCase(each)}, ${each.unit}${compared ? better : ''}`,
      'font-weight="600"',
    ),
    ...rows,
  ].join('\n');
}

/** An SVG document; its last line says where and when the figures were taken. */
export function plotOf(document: BenchDocument): string {
  const blocks: string[] = [];
  let top = margin;
  for (const each of document.cases) {
    blocks.push(block(each, top));
    top += titleHeight + each.candidates.length * rowHeight + gap;
  }
  const { cpu, cpus, kernel, load, hugepages } = document.machine;
  const pages = hugepages ? 'hugepages' : 'ordinary pages';
  const origin = `${document.date.slice(0, 10)}, ${cpu}, ${cpus} CPUs, Linux ${kernel}, load ${load}, peers on ${pages}; medians of ${document.rounds} runs of ${document.seconds} s`;
  const height = top + 24;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12">`,
    `<title>${escaped(`Benchmark of usvhost, ${document.date.slice(0, 10)}`)}</title>`,
    ...blocks,
    text(margin, height - 10, origin, 'font-size="10"'),
    '</svg>',
    '',
  ].join('\n');
}
