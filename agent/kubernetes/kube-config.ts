// SPDX-License-Identifier: Apache-2.0
//
// Where the agent's credentials for the API server are: a kubeconfig, or the service account of its pod. The one file with
// api.ts that knows the library of Kubernetes; loaded only where it is used.

import { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import { errnoOf } from '../../lib/errno.ts';
import { usvFailure } from '../../lib/errors.ts';

/** `kubeconfig`: path of a file; absent: the pod's service account. @throws UsvhostError USV_KUBERNETES */
export function loadKubeConfig(kubeconfig: string | undefined): KubeConfig {
  const config = new KubeConfig();
  try {
    if (kubeconfig === undefined) config.loadFromCluster();
    else config.loadFromFile(kubeconfig);
  } catch (cause) {
    // Without its cause: the words of a parser repeat what is in the file.
    const reason = errnoOf(cause) || 'not of the form of a kubeconfig';
    throw usvFailure('USV_KUBERNETES', `${kubeconfig ?? 'the service account'} cannot be used: ${reason}`);
  }
  return config;
}
