// SPDX-License-Identifier: Apache-2.0
//
// MAC addresses as text, six pairs of lower-case hexadecimal digits with colons.

/**
 * Whether one station can have the address: no group address, which the lowest bit of the first byte marks (IEEE 802-2014,
 * 8.2), and not zero.
 */
export function isStationMac(text: string): boolean {
  return /^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/.test(text) && text !== '00:00:00:00:00:00';
}
