// SPDX-License-Identifier: Apache-2.0
//
// Device information of the NPWG (Device Information Specification 1.1.0): what Multus copies into a pod's
// network-status. One JSON file for each interface, in one directory, under the name the runtime gives.

import { podMountPath } from '../lib/names.ts';

/** With or without the symbolic link that /var/run is. */
const filePattern = /^(?:\/var)?\/run\/k8s\.cni\.cncf\.io\/devinfo\/cni\/([^/\0]{1,191})$/u;

/** Name of the file below the directory; undefined for a path anywhere else. */
export function deviceInfoName(path: string): string | undefined {
  const name = filePattern.exec(path)?.[1];
  return name === undefined || name === '.' || name === '..' || Buffer.byteLength(name) > 191
    ? undefined
    : name;
}

/** `mode` is the role of the application in the pod (section 3.1.5), `path` is the pod's. */
export function deviceInfoDocument(ifname: string, mode: 'client' | 'server'): string {
  const path = `${podMountPath}/${ifname}/vhost.sock`;
  return JSON.stringify({ type: 'vhost-user', version: '1.1.0', 'vhost-user': { mode, path } });
}
