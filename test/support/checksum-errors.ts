// SPDX-License-Identifier: Apache-2.0
//
// What a kernel has found to be corrupted, from its own tables: each pair of lines has names and then values.

/** Sum of the fields of /proc/net/snmp and /proc/net/netstat that count wrong checksums. */
export function checksumErrors(text: string): number {
  const lines = text
    .trim()
    .split('\n')
    .map((line) => line.split(' '));
  let sum = 0;
  for (let index = 0; index + 1 < lines.length; index += 2) {
    const [names = [], values = []] = lines.slice(index, index + 2);
    sum += names.reduce(
      (total, name, at) => total + (name.endsWith('CsumErrors') ? Number(values[at]) : 0),
      0,
    );
  }
  return sum;
}
