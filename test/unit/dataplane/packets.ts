// SPDX-License-Identifier: Apache-2.0
//
// Frames for tests, built byte by byte, so that no code under test is believed twice.

export const macBytes = { a: [2, 0, 0, 0, 0, 1], b: [2, 0, 0, 0, 0, 2] } as const;

function be16(value: number): number[] {
  return [(value >> 8) & 255, value & 255];
}

export function ethernet(etherType: number, payload: readonly number[], vlan?: number): Uint8Array {
  const tag = vlan === undefined ? [] : [0x81, 0x00, ...be16(vlan)];
  return Uint8Array.from([...macBytes.b, ...macBytes.a, ...tag, ...be16(etherType), ...payload]);
}

export interface Ipv4Options {
  readonly protocol: number;
  readonly payload: readonly number[];
  /** Bytes of options, a multiple of 4. */
  readonly options?: number;
  readonly flags?: number;
}

/** From 10.0.0.1 to 10.0.0.2, without checksum. */
export function ipv4Packet({ protocol, payload, options = 0, flags = 0 }: Ipv4Options): number[] {
  const header = 20 + options;
  return [
    ...[0x40 | (header / 4), 0, ...be16(header + payload.length), 0, 0, ...be16(flags), 64, protocol, 0, 0],
    ...[10, 0, 0, 1, 10, 0, 0, 2],
    ...Array.from({ length: options }, () => 1),
    ...payload,
  ];
}

export function udpDatagram(port: number, payload: readonly number[]): number[] {
  return [...be16(40_000), ...be16(port), ...be16(8 + payload.length), 0, 0, ...payload];
}

/** RFC 1071 as slowly as it can be written: 16-bit words, end-around carry after each addition. */
export function slowChecksum(bytes: readonly number[]): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) {
    sum += (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return 0xffff - sum;
}
