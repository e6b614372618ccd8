// SPDX-License-Identifier: Apache-2.0
//
// Feature bits of a port by name, for people. Bits that nobody has named yet are shown as their number.

/** Virtio 1.2, sections 5.1.3 and 6, without the prefixes VIRTIO_F_ and VIRTIO_NET_F_; bit 30 is vhost-user's. */
const virtioNames: ReadonlyMap<number, string> = new Map([
  [0, 'CSUM'],
  [1, 'GUEST_CSUM'],
  [3, 'MTU'],
  [5, 'MAC'],
  [7, 'GUEST_TSO4'],
  [8, 'GUEST_TSO6'],
  [9, 'GUEST_ECN'],
  [10, 'GUEST_UFO'],
  [11, 'HOST_TSO4'],
  [12, 'HOST_TSO6'],
  [13, 'HOST_ECN'],
  [14, 'HOST_UFO'],
  [15, 'MRG_RXBUF'],
  [16, 'STATUS'],
  [17, 'CTRL_VQ'],
  [21, 'GUEST_ANNOUNCE'],
  [22, 'MQ'],
  [26, 'LOG_ALL'],
  [28, 'INDIRECT_DESC'],
  [29, 'EVENT_IDX'],
  [30, 'PROTOCOL_FEATURES'],
  [32, 'VERSION_1'],
  [33, 'ACCESS_PLATFORM'],
  [34, 'RING_PACKED'],
  [35, 'IN_ORDER'],
  [36, 'ORDER_PLATFORM'],
  [38, 'NOTIFICATION_DATA'],
  [40, 'RING_RESET'],
]);

/** QEMU's docs/interop/vhost-user.rst, "Protocol features". */
const protocolNames: ReadonlyMap<number, string> = new Map([
  [0, 'MQ'],
  [1, 'LOG_SHMFD'],
  [2, 'RARP'],
  [3, 'REPLY_ACK'],
  [4, 'MTU'],
  [5, 'BACKEND_REQ'],
  [9, 'CONFIG'],
  [10, 'BACKEND_SEND_FD'],
  [11, 'HOST_NOTIFIER'],
  [12, 'INFLIGHT_SHMFD'],
  [13, 'RESET_DEVICE'],
  [14, 'INBAND_NOTIFICATIONS'],
  [15, 'CONFIGURE_MEM_SLOTS'],
  [16, 'STATUS'],
]);

/** The back-end and the front-end know GET and SET_PROTOCOL_FEATURES. */
export const protocolFeaturesBit = 1n << 30n;
export const version1Bit = 1n << 32n;

function namesOf(word: bigint, names: ReadonlyMap<number, string>): string[] {
  return [...Array(64).keys()]
    .filter((bit) => (word >> BigInt(bit)) & 1n)
    .map((bit) => names.get(bit) ?? `bit ${bit}`);
}

/** Names of a word of virtio feature bits, lowest first. */
export function virtioFeatures(word: bigint): string[] {
  return namesOf(word, virtioNames);
}

/** Names of a word of vhost-user protocol feature bits, lowest first. */
export function protocolFeatures(word: bigint): string[] {
  return namesOf(word, protocolNames);
}
