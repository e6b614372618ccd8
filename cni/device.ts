// SPDX-License-Identifier: Apache-2.0
//
// Which device an attachment is on: the one the runtime names, else one that the pod holds. Devices of the resource are
// interchangeable, so any whose place is free will do.

import { usvError } from '../lib/errors.ts';
import type { AttachmentKey } from './attachment.ts';
import type { Call, CniDeps } from './call.ts';
import { givenDevice, type PluginConfig } from './config.ts';
import { readArgs } from './environment.ts';
import { namedPod, podOf } from './pod-identity.ts';

/**
 * The device whose directory the pod has mounted; undefined when the plugin stands behind another one (prevResult) and the
 * pod holds no device: then there is nothing to do for it.
 * Throws USV_DEVICE_UNKNOWN, and what the kubelet fails with.
 */
export async function chooseDevice(
  call: Call,
  deps: CniDeps,
  config: PluginConfig,
  key: AttachmentKey,
): Promise<string | undefined> {
  const given = givenDevice(config);
  const pod = namedPod(podOf(readArgs(call.request)));
  if (given !== undefined) {
    if (pod !== undefined) await deps.restore?.([given], pod.namespace, pod.name);
    return deps.leadDevice(given);
  }
  const { devicesOfPod } = deps;
  if (devicesOfPod === undefined) throw unknown(named, 'neither');
  const held = pod === undefined ? [] : await devicesOfPod(pod.namespace, pod.name);
  if (pod !== undefined) await deps.restore?.(held, pod.namespace, pod.name);
  const places = held.map((device) => deps.leadDevice(device));
  const device = places.find((place) => isFree(deps, place, key)) ?? places[0];
  if (device !== undefined || config.prevResult !== undefined) return device;
  throw pod === undefined
    ? unknown(`${named}, or K8S_POD_NAMESPACE and K8S_POD_NAME in CNI_ARGS`, 'none of them')
    : unknown('a container that requests usvhost.io/port', `none in the pod ${pod.namespace}/${pod.name}`);
}

const named = 'runtimeConfig.deviceID (declare "capabilities": {"deviceID": true}) or deviceID';

const unknown = (expected: string, got: string) =>
  usvError('USV_DEVICE_UNKNOWN', { what: 'the device of the attachment', expected, got, cni: 7 });

// The rest of our own ADD that was cut holds no place against us.
function isFree(deps: CniDeps, device: string, key: AttachmentKey): boolean {
  const holder = deps.store.findByPlace(device, key.ifname);
  return holder === undefined || (holder.containerId === key.containerId && holder.state !== 'ready');
}
