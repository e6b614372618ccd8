// SPDX-License-Identifier: Apache-2.0
//
// Every version that the test cluster is built from. Binaries are cached by these, so a change here builds anew.

export const versions = {
  /** k8s.io/kubernetes; its staging modules follow as v0. with the same minor and patch numbers. */
  kubernetes: 'v1.37.2',
  /** go.etcd.io/etcd/server/v3: the one that this Kubernetes itself is compiled against. */
  etcd: 'v3.7.0',
  /** github.com/containerd/containerd/v2 */
  containerd: 'v2.4.2',
  /** github.com/containernetworking/plugins */
  cniPlugins: 'v1.9.1',
  /** gopkg.in/k8snetworkplumbingwg/multus-cni.v4 */
  multus: 'v4.2.3',
} as const;
