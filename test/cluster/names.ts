// SPDX-License-Identifier: Apache-2.0
//
// Names and addresses of the one node. All of them exist only inside its network namespace.

export const nodeName = 'node-1';
export const nodeAddress = '10.99.0.1';
export const serviceNetwork = '10.96.0.0/16';
/** Of the API server as a service. */
export const serviceAddress = '10.96.0.1';
export const podNetwork = '10.244.0.0/24';
export const containerdSocket = '/run/containerd/containerd.sock';
/** Configuration of the default network: the runtime takes the first file of this directory. */
export const cniDirectory = '/etc/cni/net.d';
export const defaultNetwork = `${cniDirectory}/50-default.conflist`;
/**
 * The same network as one plugin, where no runtime looks: Multus 4.2.3 calls DEL of a list with a configuration that lacks the
 * plugins' own keys.
 */
export const singleNetwork = '/etc/cni/default.conf';

/** The agent's default number of devices. */
export const portCount = 64;
