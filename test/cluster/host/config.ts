// SPDX-License-Identifier: Apache-2.0
//
// Configuration files of the node's daemons. What is not said here has its default.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pauseImage } from '../images.ts';
import { cniDirectory, containerdSocket } from '../names.ts';
import type { Paths } from '../paths.ts';

/** Writes them into the state directory. */
export function writeConfig(paths: Paths): void {
  writeFileSync(join(paths.state, 'containerd.toml'), containerdConfig(paths));
  writeFileSync(join(paths.state, 'kubelet.json'), JSON.stringify(kubeletConfig(paths), null, 2));
}

// restrict_oom_score_adj: without CAP_SYS_RESOURCE runc may not lower that score, and every sandbox would fail.
const containerdConfig = ({ baseSpec }: Paths): string => `version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
  address = "${containerdSocket}"
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "${pauseImage}"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  disable_hugetlb_controller = false
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["/opt/cni/bin"]
    conf_dir = "${cniDirectory}"
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
      base_runtime_spec = "${baseSpec}"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      SystemdCgroup = false
`;

function kubeletConfig({ pki }: Paths): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: join(pki, 'ca.crt') },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: join(pki, 'kubelet-serving.crt'),
    tlsPrivateKeyFile: join(pki, 'kubelet-serving.key'),
    containerRuntimeEndpoint: `unix://${containerdSocket}`,
    cgroupDriver: 'cgroupfs',
    failCgroupV1: false,
    failSwapOn: false,
    // Its default is on the machine's own disk.
    volumePluginDir: '/var/lib/kubelet/volume-plugins',
    // There is no DNS; an address keeps the kubelet from an event for each pod.
    clusterDomain: 'cluster.local',
    clusterDNS: ['10.96.0.10'],
    resolvConf: '',
    makeIPTablesUtilChains: false,
    nodeStatusUpdateFrequency: '2s',
    // A full disk of the machine is no concern of a test.
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
  };
}
