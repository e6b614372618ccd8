// SPDX-License-Identifier: Apache-2.0
//
// The command line of each daemon of the node. All of it listens inside the node's own network namespace.

import { join } from 'node:path';
import { nodeAddress, nodeName, podNetwork, serviceNetwork } from '../names.ts';
import type { Paths } from '../paths.ts';

const etcdClients = 'http://127.0.0.1:2379';
const etcdPeers = 'http://127.0.0.1:2380';

type Daemon = 'etcd' | 'apiserver' | 'containerd' | 'controllerManager' | 'scheduler' | 'proxy' | 'kubelet';

/** `{a: 'b'}` becomes `--a=b`. */
function flags(values: Readonly<Record<string, string | number | boolean>>): string[] {
  return Object.entries(values).map(([name, value]) => `--${name}=${value}`);
}

export function daemonCommands(paths: Paths): Record<Daemon, readonly string[]> {
  const pki = (name: string): string => join(paths.pki, name);
  const client = (name: string) => ({
    kubeconfig: pki(`${name}.kubeconfig`),
    'authentication-kubeconfig': pki(`${name}.kubeconfig`),
    'authorization-kubeconfig': pki(`${name}.kubeconfig`),
    'bind-address': '127.0.0.1',
    'leader-elect': false,
  });
  return {
    etcd: [
      'etcd',
      ...flags({
        name: 'e',
        'data-dir': '/var/lib/etcd',
        // It is gone with the node, whatever was written.
        'unsafe-no-fsync': true,
        'log-level': 'warn',
        'listen-client-urls': etcdClients,
        'advertise-client-urls': etcdClients,
        'listen-peer-urls': etcdPeers,
        'initial-advertise-peer-urls': etcdPeers,
        'initial-cluster': `e=${etcdPeers}`,
      }),
    ],
    apiserver: [
      'kube-apiserver',
      ...flags({
        'etcd-servers': etcdClients,
        'advertise-address': nodeAddress,
        'service-cluster-ip-range': serviceNetwork,
        'tls-cert-file': pki('apiserver.crt'),
        'tls-private-key-file': pki('apiserver.key'),
        'client-ca-file': pki('ca.crt'),
        'kubelet-client-certificate': pki('apiserver-to-kubelet.crt'),
        'kubelet-client-key': pki('apiserver-to-kubelet.key'),
        'kubelet-certificate-authority': pki('ca.crt'),
        'kubelet-preferred-address-types': 'InternalIP',
        'service-account-issuer': 'https://kubernetes.default.svc',
        'service-account-key-file': pki('accounts.pub'),
        'service-account-signing-key-file': pki('accounts.key'),
        'requestheader-client-ca-file': pki('front-proxy-ca.crt'),
        'requestheader-allowed-names': 'front-proxy',
        'requestheader-username-headers': 'X-Remote-User',
        'requestheader-group-headers': 'X-Remote-Group',
        'requestheader-extra-headers-prefix': 'X-Remote-Extra-',
        'proxy-client-cert-file': pki('front-proxy.crt'),
        'proxy-client-key-file': pki('front-proxy.key'),
        // Webhooks are reached at their pods' own addresses.
        'enable-aggregator-routing': true,
        'authorization-mode': 'Node,RBAC',
        'anonymous-auth': false,
        'enable-admission-plugins': 'NodeRestriction',
        'allow-privileged': true,
      }),
    ],
    containerd: ['containerd', '--config', join(paths.state, 'containerd.toml')],
    controllerManager: [
      'kube-controller-manager',
      ...flags({
        ...client('controller-manager'),
        // The default of 20 a second makes the default ServiceAccount come five seconds late.
        'kube-api-qps': 300,
        'kube-api-burst': 600,
        'use-service-account-credentials': true,
        'service-account-private-key-file': pki('accounts.key'),
        'root-ca-file': pki('ca.crt'),
        'cluster-signing-cert-file': pki('ca.crt'),
        'cluster-signing-key-file': pki('ca.key'),
        // Its default is on the machine's own disk.
        'flex-volume-plugin-dir': '/var/lib/kubelet/volume-plugins',
      }),
    ],
    scheduler: ['kube-scheduler', ...flags(client('scheduler'))],
    proxy: [
      'kube-proxy',
      ...flags({
        kubeconfig: pki('proxy.kubeconfig'),
        'hostname-override': nodeName,
        'proxy-mode': 'nftables',
        'cluster-cidr': podNetwork,
        // These sysctls are the machine's; 0 leaves them alone.
        'conntrack-max-per-core': 0,
        'conntrack-tcp-timeout-established': '0s',
        'conntrack-tcp-timeout-close-wait': '0s',
      }),
    ],
    kubelet: [
      'kubelet',
      ...flags({
        config: join(paths.state, 'kubelet.json'),
        kubeconfig: pki('kubelet.kubeconfig'),
        'hostname-override': nodeName,
        'node-ip': nodeAddress,
      }),
    ],
  };
}
