// SPDX-License-Identifier: Apache-2.0
//
// The one table of errors: every failure that reaches a user has a row here, with its cause, what to do about it, and
// its code in each of the languages it may be told in (CNI, gRPC, exit status). docs/errors.md is generated from it.

/** gRPC status names (grpc/grpc, doc/statuscodes.md) that the table uses. */
export type GrpcStatusName =
  | 'INVALID_ARGUMENT'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'RESOURCE_EXHAUSTED'
  | 'FAILED_PRECONDITION'
  | 'UNAVAILABLE'
  | 'DEADLINE_EXCEEDED'
  | 'INTERNAL';

interface ErrorRow {
  /** Why it happens, one sentence. */
  readonly cause: string;
  /** What the reader should do, one sentence. */
  readonly next: string;
  /** CNI 1.1.0, section 5 "Error": 1-99 as reserved there, 100 and above ours. */
  readonly cni: number;
  readonly grpc: GrpcStatusName;
  /** Exit status of the command line: 2 for wrong use, 1 for everything else. */
  readonly exit: 1 | 2;
}

export const errorTable = {
  USV_USAGE: {
    cause: 'The command line does not have the form that the command expects.',
    next: 'Run the command with --help and correct the argument named in the message.',
    cni: 7,
    grpc: 'INVALID_ARGUMENT',
    exit: 2,
  },
  USV_CONFIG: {
    cause: 'A configuration value is missing, of the wrong kind, or cannot be used on this machine.',
    next: 'Correct the field named in the message; the configuration pages list every field with its default.',
    cni: 7,
    grpc: 'INVALID_ARGUMENT',
    exit: 2,
  },
  USV_DEVARG: {
    cause:
      'A --port argument is not one of the two forms of device arguments that the dataplane understands.',
    next: 'Correct the key named in the message; `usvhost dataplane --help` shows both forms.',
    cni: 7,
    grpc: 'INVALID_ARGUMENT',
    exit: 2,
  },
  USV_NAME: {
    cause: 'A name of a port, device, network or interface has characters or a length that are not allowed.',
    next: 'Use a name of the form given in the message.',
    cni: 7,
    grpc: 'INVALID_ARGUMENT',
    exit: 2,
  },
  USV_SOCKET_PATH: {
    cause: 'A unix socket path is longer than the 107 bytes that the kernel allows.',
    next: 'Use a shorter --root or a shorter name.',
    cni: 7,
    grpc: 'INVALID_ARGUMENT',
    exit: 2,
  },
  USV_SOCKET_MISSING: {
    cause: 'Nobody listens at the vhost-user socket of a port.',
    next: "Check that the switch runs and that the port exists, or, where the pod listens, that the pod's driver runs; the other side goes on trying by itself.",
    cni: 11,
    grpc: 'UNAVAILABLE',
    exit: 1,
  },
  USV_STDIN_JSON: {
    cause: 'The network configuration on standard input is not JSON, or not an object.',
    next: 'Correct the configuration file or NetworkAttachmentDefinition.',
    cni: 6,
    grpc: 'INVALID_ARGUMENT',
    exit: 1,
  },
  USV_CNI_VERSION: {
    cause: 'The configuration asks for a version of the CNI specification that the plugin does not speak.',
    next: 'Set cniVersion to one of the versions that the VERSION command lists.',
    cni: 1,
    grpc: 'INVALID_ARGUMENT',
    exit: 1,
  },
  USV_CNI_FIELD: {
    cause:
      'The plugin configuration has a field that the plugin does not know, or a value that it does not support.',
    next: 'Remove or correct the field named in the message.',
    cni: 2,
    grpc: 'INVALID_ARGUMENT',
    exit: 1,
  },
  USV_CNI_ENV: {
    cause: 'An environment variable of the CNI protocol is missing or malformed.',
    next: 'The container runtime sets these; when running the plugin by hand, set the variables named in the message.',
    cni: 4,
    grpc: 'INVALID_ARGUMENT',
    exit: 1,
  },
  USV_AGENT_UNREACHABLE: {
    cause: 'The CNI plugin cannot reach the node agent at its socket.',
    next: 'Start `usvhost agent` on this node with the same root; the runtime tries again.',
    cni: 11,
    grpc: 'UNAVAILABLE',
    exit: 1,
  },
  USV_SWITCH_UNREACHABLE: {
    cause: 'The switch of the node does not answer, or has closed the connection of a port.',
    next: 'Start `usvhost switch`, or Open vSwitch where the agent is set to it; connections are made again by themselves.',
    cni: 11,
    grpc: 'UNAVAILABLE',
    exit: 1,
  },
  USV_SWITCH_OLD: {
    cause: 'The switch of the node is of an older release than the agent and would not keep networks apart.',
    next: 'Update `usvhost switch`; the agent and the runtime then try again by themselves.',
    cni: 11,
    grpc: 'FAILED_PRECONDITION',
    exit: 1,
  },
  USV_PORT_OCCUPIED: {
    cause: 'A port, its socket, its MAC address or its place in a pod already belongs to somebody else.',
    next: 'Use another name or address, or remove the port that holds it.',
    cni: 100,
    grpc: 'ALREADY_EXISTS',
    exit: 1,
  },
  USV_PORT_BUSY: {
    cause: 'A second front-end connected to a port that already has a connection, and was refused.',
    next: 'Stop the other driver, or give each driver a port of its own.',
    cni: 101,
    grpc: 'FAILED_PRECONDITION',
    exit: 1,
  },
  USV_PORT_LIMIT: {
    cause: 'The switch has as many ports as its configuration allows.',
    next: 'Raise maxPorts of the switch, or remove ports.',
    cni: 11,
    grpc: 'RESOURCE_EXHAUSTED',
    exit: 1,
  },
  USV_MESSAGE: {
    cause: 'A peer sent a vhost-user message that is malformed, out of order, or was not negotiated.',
    next: 'The connection was closed; if the peer is an application of yours, the message tells what it must send.',
    cni: 102,
    grpc: 'FAILED_PRECONDITION',
    exit: 1,
  },
  USV_FEATURES: {
    cause: 'The two sides of a port have no set of virtio features that both can work with.',
    next: 'Use a back-end with VIRTIO_F_VERSION_1, and with packed rings where the ring size is no power of two.',
    cni: 103,
    grpc: 'FAILED_PRECONDITION',
    exit: 1,
  },
  USV_HANDSHAKE: {
    cause: 'A peer connected but did not complete a vhost-user message in time.',
    next: 'The connection was closed; check that the peer is a vhost-user program and is not stopped.',
    cni: 104,
    grpc: 'DEADLINE_EXCEEDED',
    exit: 1,
  },
  USV_REGION: {
    cause: 'A shared memory region does not fit its file or the rules, or its file was truncated.',
    next: 'The connection was closed; the peer must share a file at least as large as its regions and keep it so.',
    cni: 105,
    grpc: 'FAILED_PRECONDITION',
    exit: 1,
  },
  USV_RING: {
    cause: 'A virtqueue holds a value that its peer can never have written correctly.',
    next: 'The connection was closed; the peer has a defect or is hostile.',
    cni: 106,
    grpc: 'FAILED_PRECONDITION',
    exit: 1,
  },
  USV_MEMORY: {
    cause: 'Shared memory for rings and buffers cannot be had.',
    next: 'Check the memory limit of the container, /dev/shm or the hugetlbfs mount that the message names.',
    cni: 107,
    grpc: 'RESOURCE_EXHAUSTED',
    exit: 1,
  },
  USV_TAP: {
    cause: 'A tap device cannot be made or attached.',
    next: 'Check that the node has /dev/net/tun (`modprobe tun`), that it is in the container, and that the device belongs to this user.',
    cni: 108,
    grpc: 'FAILED_PRECONDITION',
    exit: 1,
  },
  USV_HANDLER: {
    cause:
      'The packet handler cannot be used: its module, what its setup() returns, or a call that it makes.',
    next: 'Correct what the message names; the page on packet handlers has the API.',
    cni: 140,
    grpc: 'FAILED_PRECONDITION',
    exit: 1,
  },
  USV_HANDLER_LOST: {
    cause: 'The packet handler has thrown outside of onBurst(), ended its thread, or does not return.',
    next: 'Nothing is forwarded without it, so the process ends and is to be started again; the message has the reason.',
    cni: 141,
    grpc: 'UNAVAILABLE',
    exit: 1,
  },
  USV_IPAM: {
    cause: 'The address plugin named under ipam failed or answered with something that is not its result.',
    next: 'Read its message; check that the plugin is in CNI_PATH and its configuration is complete.',
    cni: 109,
    grpc: 'FAILED_PRECONDITION',
    exit: 1,
  },
  USV_CHECK: {
    cause: 'A CNI CHECK found something of the attachment missing or different.',
    next: 'Delete the pod so that its attachment is made anew; the message names what is wrong.',
    cni: 110,
    grpc: 'FAILED_PRECONDITION',
    exit: 1,
  },
  USV_GC: {
    cause: 'A CNI GC could not remove every attachment that the runtime does not list.',
    next: 'The message names each one and its reason; the others are gone, and the next GC tries these again.',
    cni: 120,
    grpc: 'FAILED_PRECONDITION',
    exit: 1,
  },
  USV_OVS: {
    cause:
      'Open vSwitch cannot do what the node agent asked for: no bridge, no DPDK, or a port that it cannot make.',
    next: 'The message has the words of Open vSwitch; the page on Open vSwitch says how a node is set up.',
    cni: 121,
    grpc: 'FAILED_PRECONDITION',
    exit: 1,
  },
  USV_ANNOTATION: {
    cause:
      'A pod was refused: one of its annotations for usvhost, or the number of its ports, cannot be had.',
    next: 'Correct what the message names and create the pod again; the page on the webhook lists the annotations.',
    cni: 130,
    grpc: 'INVALID_ARGUMENT',
    exit: 1,
  },
  USV_REVIEW: {
    cause: 'What came to the webhook is no AdmissionReview (v1) of a pod, too large, or not sent in time.',
    next: 'Send only reviews to the webhook; if the API server sent this, compare its version with the webhook configuration.',
    cni: 131,
    grpc: 'INVALID_ARGUMENT',
    exit: 1,
  },
  USV_CERTIFICATE: {
    cause: 'The certificate of the webhook or its key cannot be read, or the two do not belong together.',
    next: 'Correct the files named in the message; they are read again when they change, and the pair before is served until then.',
    cni: 132,
    grpc: 'FAILED_PRECONDITION',
    exit: 1,
  },
  USV_DEVICE_UNKNOWN: {
    cause: 'The device that a pod should hold was not allocated by this node, or is not named.',
    next: 'Request usvhost.io/port in the pod and let Multus pass the device id, or set deviceID.',
    cni: 7,
    grpc: 'NOT_FOUND',
    exit: 1,
  },
  USV_KUBELET: {
    cause: 'The kubelet cannot be reached, or refused to register the device plugin or to list its pods.',
    next: 'Check the kubelet and its sockets in device-plugins and pod-resources; the agent tries again by itself.',
    cni: 11,
    grpc: 'UNAVAILABLE',
    exit: 1,
  },
  USV_KUBERNETES: {
    cause: 'The Kubernetes API server does not answer the agent, or refused what it asked for.',
    next: "Check the agent's service account, its ClusterRole and the way to the API server; pods have their ports without it, and the agent tries again by itself.",
    cni: 122,
    grpc: 'UNAVAILABLE',
    exit: 1,
  },
  USV_RUNNING: {
    cause: 'Another process of the same role already serves this root.',
    next: 'Stop the other process or use another --root.',
    cni: 11,
    grpc: 'ALREADY_EXISTS',
    exit: 1,
  },
  USV_BUSY: {
    cause: 'The agent has more requests at once than it takes.',
    next: 'The runtime tries again; if it lasts, look for a runtime that repeats failing pods.',
    cni: 11,
    grpc: 'RESOURCE_EXHAUSTED',
    exit: 1,
  },
  USV_SHIM_GONE: {
    cause: 'The CNI plugin process ended before the agent had its answers.',
    next: 'Nothing half done is kept; the runtime tries again.',
    cni: 5,
    grpc: 'UNAVAILABLE',
    exit: 1,
  },
  USV_IO: {
    cause: 'The operating system refused an operation on a file, socket or device.',
    next: 'The message has the operation and the reason of the system: permissions, space, or a missing directory.',
    cni: 5,
    grpc: 'INTERNAL',
    exit: 1,
  },
  USV_NATIVE_BUILD: {
    cause: 'The native part is not built, or was built for another machine.',
    next: 'Run npm run build; it names the packages that are missing.',
    cni: 5,
    grpc: 'INTERNAL',
    exit: 1,
  },
  USV_PEER_MISSING: {
    cause: 'A program that a test or benchmark runs against is not installed.',
    next: 'Install the package named in the message, or run npm run setup.',
    cni: 5,
    grpc: 'FAILED_PRECONDITION',
    exit: 1,
  },
  USV_INTERNAL: {
    cause: 'The project itself is wrong.',
    next: 'Report it with the log line; the stack is there.',
    cni: 111,
    grpc: 'INTERNAL',
    exit: 1,
  },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof errorTable;

/** Whether a text is a code of the table, for codes that come over a wire. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(errorTable, text);
}

interface UsvhostErrorOptions {
  readonly cause?: unknown;
  /** Overrides the table's CNI code: 50 and 51 for STATUS, the own code of a delegated plugin. */
  readonly cni?: number;
}

/** The only error class of the project. `message` is `CODE: details`; `next` tells what to do. */
export class UsvhostError extends Error {
  readonly code: ErrorCode;
  readonly details: string;
  readonly next: string;
  readonly cniCode: number;
  readonly grpcStatus: GrpcStatusName;
  readonly exitCode: number;

  constructor(code: ErrorCode, details: string, options: UsvhostErrorOptions = {}) {
    super(`${code}: ${details}`, options.cause === undefined ? {} : { cause: options.cause });
    const row: ErrorRow = errorTable[code];
    this.name = 'UsvhostError';
    this.code = code;
    this.details = details;
    this.next = row.next;
    this.cniCode = options.cni ?? row.cni;
    this.grpcStatus = row.grpc;
    this.exitCode = row.exit;
  }
}

interface Expectation extends UsvhostErrorOptions {
  readonly what: string;
  readonly expected: string;
  readonly got: string;
}

/** For input that is wrong, in the one form of message: `expected <expected> for <what>, got <got>`. */
export function usvError(code: ErrorCode, expectation: Expectation): UsvhostError {
  const { what, expected, got } = expectation;
  return new UsvhostError(code, `expected ${expected} for ${what}, got ${got}`, expectation);
}

/** For failures without an expectation (a peer that is gone, a refused system call): `message` is free text. */
export function usvFailure(
  code: ErrorCode,
  message: string,
  options: UsvhostErrorOptions = {},
): UsvhostError {
  return new UsvhostError(code, message, options);
}
