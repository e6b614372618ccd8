// SPDX-License-Identifier: Apache-2.0
//
// How Open vSwitch's virtio-user devices are told to use their rings.

export const ovsFrontEndModes: readonly { readonly name: string; readonly devargs: readonly string[] }[] = [
  { name: 'split', devargs: [] },
  { name: 'packed', devargs: ['packed_vq=1'] },
];
