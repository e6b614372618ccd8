// SPDX-License-Identifier: Apache-2.0
//
// Loads the .proto files of this folder and gives their services with the generated types. Field names keep their case
// and 64-bit integers are decimal strings: JavaScript numbers end at 2^53 and feature bits do not. Whoever calculates
// with them turns them into bigint at his own edge. The options here and those in scripts/gen must be the same.

import { fileURLToPath } from 'node:url';
import { loadPackageDefinition } from '@grpc/grpc-js';
import { loadSync, type Options } from '@grpc/proto-loader';
import type { ProtoGrpcType as DevicePluginTypes } from './gen/deviceplugin.ts';
import type { ProtoGrpcType as PluginRegistrationTypes } from './gen/pluginregistration.ts';
import type { ProtoGrpcType as PodResourcesTypes } from './gen/podresources.ts';
import type { ProtoGrpcType as SwitchTypes } from './gen/switch.ts';

const options: Options = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };

function load(file: string): unknown {
  const path = fileURLToPath(new URL(file, import.meta.url));
  return loadPackageDefinition(loadSync(path, options));
}

const switchTypes = load('switch.proto') as SwitchTypes;
const devicePluginTypes = load('deviceplugin.proto') as DevicePluginTypes;
const podResourcesTypes = load('podresources.proto') as PodResourcesTypes;
const pluginRegistrationTypes = load('pluginregistration.proto') as PluginRegistrationTypes;

/** Client constructor and `service` definition of usvhost.switch.v1.Switch. */
export const Switch = switchTypes.usvhost.switch.v1.Switch;

/** Client constructor and `service` definition of v1beta1.Registration, which the kubelet serves. */
export const Registration = devicePluginTypes.v1beta1.Registration;

/** Client constructor and `service` definition of v1beta1.DevicePlugin, which a plugin serves. */
export const DevicePlugin = devicePluginTypes.v1beta1.DevicePlugin;

/** Client constructor and `service` definition of v1.PodResourcesLister, which the kubelet serves. */
export const PodResourcesLister = podResourcesTypes.v1.PodResourcesLister;

/** Client constructor and `service` definition of pluginregistration.Registration, which a plugin serves. */
export const PluginWatcher = pluginRegistrationTypes.pluginregistration.Registration;

/** The only version of the device plugin API that a kubelet accepts in Register. */
export const devicePluginVersion = 'v1beta1';
