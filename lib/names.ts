// SPDX-License-Identifier: Apache-2.0
//
// Names and paths that several parts must agree on. Every path hangs under one root, every name is checked before it
// becomes part of a path, and a socket path is checked against the kernel's limit when it is made.

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { usvError } from './errors.ts';

/** sockaddr_un.sun_path has 108 bytes, one of them for the terminating zero (unix(7)). */
export const socketPathLimit = 107;

/** Where a pod finds its ports. */
export const podMountPath = '/var/run/usvhost';

/** Beside the ports' places in a pod's directory: that of memory slices. */
export const memPlace = 'mem';

/** Where a pod finds its memory slices, each a file named after its device id. */
export const podMemPath = `${podMountPath}/${memPlace}`;

/** @throws UsvhostError USV_SOCKET_PATH when the path has more than 107 bytes. */
export function checkSocketPath(path: string): string {
  const bytes = Buffer.byteLength(path);
  if (bytes <= socketPathLimit) return path;
  throw usvError('USV_SOCKET_PATH', {
    what: 'a unix socket',
    expected: `a path of at most ${socketPathLimit} bytes`,
    got: `${bytes}: ${path}`,
  });
}

function checkPattern(name: string, what: string, pattern: RegExp, expected: string): string {
  if (pattern.test(name)) return name;
  throw usvError('USV_NAME', { what, expected, got: JSON.stringify(name) });
}

/** @throws UsvhostError USV_NAME unless 1 to 31 lower-case letters, digits and dashes, not starting with a dash. */
export function checkPortName(name: string): string {
  return checkPattern(name, 'a port name', /^[a-z0-9][a-z0-9-]{0,30}$/, '1 to 31 of a-z, 0-9 and -');
}

/** Device ids of the device plugin API have at most 63 characters. @throws UsvhostError USV_NAME */
export function checkDevice(name: string): string {
  return checkPattern(
    name,
    'a device id',
    /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/,
    '1 to 63 of A-Z, a-z, 0-9, _ and -',
  );
}

/**
 * A network of the switch, empty for the default one; as long as a name of Kubernetes, such as that of a
 * NetworkAttachmentDefinition, may be. @throws UsvhostError USV_NAME
 */
export function checkNetwork(name: string): string {
  return checkPattern(
    name,
    'a network',
    /^[!-~]{0,253}$/,
    'at most 253 printable ASCII characters without spaces',
  );
}

/** The kernel's rule for interface names (dev_valid_name) without non-ASCII characters. @throws UsvhostError USV_NAME */
export function checkIfname(name: string): string {
  if (name === '.' || name === '..') {
    throw usvError('USV_NAME', {
      what: 'an interface name',
      expected: 'a name other than . and ..',
      got: name,
    });
  }
  return checkPattern(
    name,
    'an interface name',
    /^[!-.0-9;-~]{1,15}$/,
    '1 to 15 printable characters without / and :',
  );
}

/**
 * The name of a port's interface is that of its place in the pod's directory too, where memory slices have theirs.
 * @throws UsvhostError USV_NAME
 */
export function checkPlace(ifname: string): string {
  if (ifname !== memPlace) return ifname;
  const expected = `a name other than ${memPlace}, where memory slices lie in the pod's directory,`;
  throw usvError('USV_NAME', { what: 'the interface of a port', expected, got: ifname });
}

/** The switch port of an attachment: the same container and interface always have the same name. */
export function portName(containerId: string, ifname: string): string {
  return `p${createHash('sha256').update(`${containerId}\0${ifname}`).digest('hex').slice(0, 14)}`;
}

/** Whether a port of the switch has a name that portName() makes. */
export function isAttachmentPort(name: string): boolean {
  return /^p[0-9a-f]{14}$/.test(name);
}

export interface HostPaths {
  readonly root: string;
  readonly runDir: string;
  readonly agentSocket: string;
  readonly switchSocket: string;
  /** Which switch the node has (agent/switch-file.ts). */
  readonly switchChoice: string;
  readonly portsDir: string;
  portDir(port: string): string;
  portSocket(port: string): string;
  readonly podsDir: string;
  podDir(device: string): string;
  podPort(device: string, ifname: string): string;
  readonly statsDir: string;
  readonly stateDir: string;
  /** Where the shim leaves the DELs that no agent did. */
  readonly tombstonesDir: string;
  /** Memory slices of pools that name no directory of their own. */
  readonly memDir: string;
  readonly devicePluginDir: string;
  readonly kubeletSocket: string;
  readonly pluginSocket: string;
  readonly pluginsRegistryDir: string;
  /** Where the kubelet says which pod holds which devices. */
  readonly podResourcesSocket: string;
  /** The device plugins' files of NPWG device information. */
  readonly deviceInfoDir: string;
}

/**
 * All host paths under one root (default of every command: `/`).
 * @throws UsvhostError USV_SOCKET_PATH when the root is too long for a socket below it.
 */
export function hostPaths(root: string): HostPaths {
  const runDir = join(root, 'run/usvhost');
  const portsDir = join(runDir, 'ports');
  const podsDir = join(runDir, 'pods');
  const devicePluginDir = join(root, 'var/lib/kubelet/device-plugins');
  const portDir = (port: string): string => join(portsDir, checkPortName(port));
  const podDir = (device: string): string => join(podsDir, checkDevice(device));
  return {
    root,
    runDir,
    agentSocket: checkSocketPath(join(runDir, 'agent.sock')),
    switchSocket: checkSocketPath(join(runDir, 'switch.sock')),
    switchChoice: join(runDir, 'node-switch.json'),
    portsDir,
    portDir,
    portSocket: (port) => checkSocketPath(join(portDir(port), 'vhost.sock')),
    podsDir,
    podDir,
    podPort: (device, ifname) => join(podDir(device), checkIfname(ifname)),
    statsDir: join(runDir, 'stats'),
    stateDir: join(root, 'var/lib/usvhost'),
    tombstonesDir: join(root, 'var/lib/usvhost/tombstones'),
    memDir: join(runDir, 'mem'),
    devicePluginDir,
    kubeletSocket: checkSocketPath(join(devicePluginDir, 'kubelet.sock')),
    pluginSocket: checkSocketPath(join(devicePluginDir, 'usvhost.sock')),
    pluginsRegistryDir: join(root, 'var/lib/kubelet/plugins_registry'),
    podResourcesSocket: checkSocketPath(join(root, 'var/lib/kubelet/pod-resources/kubelet.sock')),
    deviceInfoDir: join(root, 'var/run/k8s.cni.cncf.io/devinfo/dp'),
  };
}
