// SPDX-License-Identifier: Apache-2.0
//
// Which metrics and labels an expression of PromQL reads. It knows the form that our alerts and our dashboard have and no more: what
// it does not understand is an error, so that nothing passes unread.

/** Words of the language that are neither a metric nor a label where they stand. */
const functions = new Set([
  ...['sum', 'min', 'max', 'rate', 'increase', 'changes', 'absent', 'time', 'histogram_quantile'],
  ...['and', 'or', 'unless', 'offset'],
]);

export interface Selector {
  readonly metric: string;
  /** Names of the labels in its braces. */
  readonly labels: readonly string[];
}

export interface Expression {
  readonly selectors: readonly Selector[];
  /** Labels by which something is grouped or matched. */
  readonly grouped: readonly string[];
}

const grouping = /\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)/g;
const matchers = /^\s*([a-z_]+)\s*(?:=~|!~|!=|=)\s*"(?:[^"\\]|\\.)*"\s*(,|$)/;

function labelsIn(braces: string): string[] {
  const labels: string[] = [];
  for (let rest = braces; rest.trim() !== ''; ) {
    const [whole = '', label = ''] = matchers.exec(rest) ?? [];
    if (whole === '') throw new Error(`no matcher: ${rest}`);
    labels.push(label);
    rest = rest.slice(whole.length);
  }
  return labels;
}

/** @throws Error for what it does not understand */
export function readPromql(expression: string): Expression {
  const grouped: string[] = [];
  const selectors: Selector[] = [];
  let rest = expression.replaceAll(grouping, (_, list: string) => {
    grouped.push(...list.split(',').flatMap((label) => label.trim() || []));
    return ' ';
  });
  rest = rest.replaceAll(
    /([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\{(?:[^"{}]|"(?:[^"\\]|\\.)*")*\})?/g,
    (whole, name: string, braces: string | undefined, at: number) => {
      // The unit of a duration, as in [5m] or offset 15m.
      if (/[0-9]/.test(rest[at - 1] ?? '') && braces === undefined) return whole;
      if (functions.has(name)) return '';
      selectors.push({ metric: name, labels: labelsIn((braces ?? '').slice(1, -1)) });
      return '';
    },
  );
  // What is left are numbers, durations, operators and parentheses.
  const strange = rest.replaceAll(/\d+(\.\d+)?[smhd]?|[-+*/<>=!()[\],\s]/g, '');
  if (strange !== '') throw new Error(`${strange} in ${expression}`);
  return { selectors, grouped };
}
