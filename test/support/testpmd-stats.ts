// SPDX-License-Identifier: Apache-2.0
//
// The numbers in what testpmd prints for `show port stats all`, `show fwd stats all` and `stop`.

/** Frames of one port. Forwarding and port statistics have different sets; what one does not have is 0. */
export interface TestpmdStats {
  readonly rxPackets: number;
  readonly txPackets: number;
  /** Forwarding: could not be queued for sending. */
  readonly txDropped: number;
  /** Driver: `imissed`, `ierrors` and `rx_nombuf` together. */
  readonly rxLost: number;
  /** Driver: `oerrors`. */
  readonly txErrors: number;
}

function numberAfter(text: string, label: string): number {
  const escaped = label.replaceAll('-', '\\-');
  return Number(new RegExp(`${escaped}:\\s*(\\d+)`).exec(text)?.[1] ?? 0);
}

function read(text: string): TestpmdStats {
  const at = (label: string): number => numberAfter(text, label);
  return {
    rxPackets: at('RX-packets'),
    txPackets: at('TX-packets'),
    txDropped: at('TX-dropped'),
    rxLost: at('RX-missed') + at('RX-errors') + at('RX-nombuf'),
    txErrors: at('TX-errors'),
  };
}

/** Rows by order of ports. */
function sections(text: string, title: RegExp, end: RegExp): TestpmdStats[] {
  return text
    .split(title)
    .slice(1)
    .map((section) => read(section.split(end)[0] ?? ''));
}

/** Of `show port stats all`. */
export function parsePortStats(text: string): TestpmdStats[] {
  return sections(text, /NIC statistics for port \d+/, /#{60,}\s*(?:\n|$)/);
}

/** Of `show fwd stats all` and `stop`. */
export function parseForwardStats(text: string): TestpmdStats[] {
  return sections(text, /Forward statistics for port \d+/, /-{60,}|\+{10,}/);
}
