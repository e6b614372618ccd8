// SPDX-License-Identifier: Apache-2.0
//
// What is told of a port: from one look, and from two looks its rates. Counters are named from the pod's point of view: tx is
// what the pod sent.

import { virtioFeatures } from '../../lib/feature-names.ts';
import type { PortContract } from '../../lib/port-contract.ts';
import { columns } from '../columns.ts';
import type { Look, SeenPort } from './look.ts';

interface Rate {
  readonly packetsPerSecond: number;
  readonly bitsPerSecond: number;
}

export interface PortLine {
  readonly port: string;
  readonly state: string;
  /** Whether a driver is connected. */
  readonly peer: boolean;
  /** Drivers that have connected so far. */
  readonly connections: number;
  readonly pod: PortContract['pod'] | null;
  readonly ifname: string | null;
  /** Empty for the default network. */
  readonly network: string;
  readonly ips: readonly string[];
  readonly mac: string;
  readonly mtu: number;
  readonly features: readonly string[];
  /** Null where there is nothing to compare with: a port that is new, a switch that has restarted. */
  readonly tx: Rate | null;
  readonly rx: Rate | null;
  /** Counters of lost frames that are not 0, since the port was made. */
  readonly drops: Readonly<Record<string, number>>;
  readonly lastError: string;
}

type Counters = Readonly<Record<string, string>>;

/** All ports of a look; rates against an earlier one. */
export function portLines(now: Look, before?: Look): PortLine[] {
  return [...now.ports].map(([name, seen]) => {
    const earlier = before?.ports.get(name)?.port.counters;
    const seconds = before === undefined ? 0 : (now.at - before.at) / 1000;
    return portLine(name, seen, (direction) => rate(direction, seen.port.counters, earlier, seconds));
  });
}

function portLine(
  name: string,
  { port, contract }: SeenPort,
  rateOf: (direction: 'rx' | 'tx') => Rate | null,
): PortLine {
  return {
    port: name,
    state: port.state,
    peer: port.state === 'handshake' || port.state === 'up',
    connections: Number(port.connections),
    pod: contract?.pod ?? null,
    ifname: contract?.ifname ?? null,
    network: port.spec?.network ?? '',
    ips: contract?.ips ?? [],
    mac: port.spec?.mac ?? '',
    mtu: port.spec?.mtu ?? 0,
    features: virtioFeatures(BigInt(port.features)),
    tx: rateOf('tx'),
    rx: rateOf('rx'),
    drops: dropsOf(port.counters),
    lastError: port.last_error,
  };
}

/** Counters of lost frames that are not 0, by name. */
export function dropsOf(counters: Counters): Record<string, number> {
  const entries = Object.entries(counters).map(([name, value]) => [name, Number(value)] as const);
  return Object.fromEntries(entries.filter(([name, value]) => name.includes('drop') && value > 0));
}

function rate(
  direction: 'rx' | 'tx',
  now: Counters,
  before: Counters | undefined,
  seconds: number,
): Rate | null {
  if (before === undefined || seconds <= 0) return null;
  const more = (what: string): number =>
    Number(now[`${direction}_${what}`] ?? 0) - Number(before[`${direction}_${what}`] ?? 0);
  const [packets, bytes] = [more('packets'), more('bytes')];
  // A counter that went back is one of another switch.
  if (packets < 0 || bytes < 0) return null;
  return { packetsPerSecond: packets / seconds, bitsPerSecond: (bytes * 8) / seconds };
}

/** `1.23 k`, three digits and the power of 1000. */
export function scaled(value: number): string {
  const units = ['', ' k', ' M', ' G', ' T'];
  const power = value < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(value) / 3));
  const number = value / 1000 ** power;
  const digits = power === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(number)));
  return `${number.toFixed(digits)}${units[power]}`;
}

function rateText(value: Rate | null): string {
  if (value === null) return '-';
  return `${scaled(value.packetsPerSecond)} pkt/s, ${scaled(value.bitsPerSecond)} bit/s`;
}

/** The ports as a table. */
export function portTable(lines: readonly PortLine[]): string {
  if (lines.length === 0) return 'the switch has no ports\n';
  const rows = lines.map((line) => [
    line.port,
    line.pod === null || line.pod === undefined ? '-' : `${line.pod.namespace}/${line.pod.name}`,
    line.ifname ?? '-',
    line.network || '-',
    line.ips.join(' ') || '-',
    line.state,
    rateText(line.tx),
    rateText(line.rx),
    Object.entries(line.drops)
      .map(([name, value]) => `${name} ${value}`)
      .join(' ') || '-',
    line.features.join(' ') || '-',
  ]);
  const head = ['port', 'pod', 'interface', 'network', 'addresses', 'state', 'tx', 'rx', 'drops', 'features'];
  return `${columns([head, ...rows].map((row) => row.map((cell) => cell.replaceAll(/\p{C}/gu, '?'))))}\n`;
}
