// SPDX-License-Identifier: Apache-2.0
//
// The kubelet's plugin watcher on real sockets: it looks at each new socket in plugins_registry once, asks what it is,
// connects, follows ListAndWatch and says how that went. It must not know whose plugins these are.

import { EventEmitter, once } from 'node:events';
import { existsSync, type FSWatcher, lstatSync, mkdirSync, readdirSync, watch } from 'node:fs';
import { join } from 'node:path';
import type { ClientReadableStream } from '@grpc/grpc-js';
import { hostPaths } from '../../lib/names.ts';
import { unary } from '../../proto/call.ts';
import type { PluginInfo__Output } from '../../proto/gen/pluginregistration/PluginInfo.ts';
import type { DevicePluginClient } from '../../proto/gen/v1beta1/DevicePlugin.ts';
import type { DevicePluginOptions__Output } from '../../proto/gen/v1beta1/DevicePluginOptions.ts';
import type { ListAndWatchResponse__Output } from '../../proto/gen/v1beta1/ListAndWatchResponse.ts';
import { DevicePlugin, devicePluginVersion, PluginWatcher } from '../../proto/load.ts';
import { fileIdentity } from '../../proto/socket-file.ts';
import { dial } from '../../proto/unix.ts';

/** One registered plugin. */
interface Plugin {
  readonly path: string;
  readonly client: DevicePluginClient;
  readonly stream: ClientReadableStream<ListAndWatchResponse__Output>;
  devices: ReadonlyMap<string, string> | undefined;
}

const waitMillis = 10_000;
const peer = { peer: 'the plugin', unreachable: 'USV_KUBELET' } as const;

export class FakePluginWatcher {
  readonly #directory: string;
  readonly #changed = new EventEmitter();
  readonly #plugins = new Map<string, Plugin>();
  /** Sockets that were looked at, by path. */
  readonly #seen = new Map<string, string>();
  #watcher: FSWatcher | undefined;

  /** Answers to GetInfo so far. */
  readonly infos: PluginInfo__Output[] = [];

  /** When set, plugins are refused with this text. */
  refuseWith: string | undefined;

  constructor({ root }: { readonly root: string }) {
    this.#directory = hostPaths(root).pluginsRegistryDir;
  }

  /** Looks at what is there already, and watches. No socket is ever removed. */
  start(): void {
    mkdirSync(this.#directory, { recursive: true, mode: 0o750 });
    this.#watcher = watch(this.#directory, () => this.look());
    this.look();
  }

  /** Dies: streams end, and what was seen is forgotten. */
  stop(): void {
    this.#watcher?.close();
    for (const resource of this.#plugins.keys()) this.drop(resource);
    this.#seen.clear();
  }

  /** Looks for sockets that are new, and registers what they are. */
  look(): void {
    if (!existsSync(this.#directory)) return;
    const sockets = readdirSync(this.#directory)
      .filter((name) => !name.startsWith('.'))
      .map((name) => join(this.#directory, name))
      .filter((path) => lstatSync(path, { throwIfNoEntry: false })?.isSocket());
    for (const path of this.#seen.keys()) if (!sockets.includes(path)) this.#seen.delete(path);
    for (const path of sockets) {
      const identity = fileIdentity(path) ?? '';
      if (this.#seen.get(path) === identity) continue;
      this.#seen.set(path, identity);
      this.#register(path).catch((error: unknown) => {
        // Removed meanwhile, or not serving: it is looked at again when it is new.
        this.#changed.emit('change', error);
      });
    }
  }

  /** Looks again at sockets whose plugins were refused, as the kubelet does from time to time. */
  retry(): void {
    const known = [...this.#plugins.values()].map(({ path }) => path);
    for (const path of this.#seen.keys()) if (!known.includes(path)) this.#seen.delete(path);
    this.look();
  }

  async #register(path: string): Promise<void> {
    const watcher = dial(PluginWatcher, path);
    const deadline = Date.now() + waitMillis;
    try {
      const info = await unary<PluginInfo__Output>((done) => watcher.GetInfo({}, { deadline }, done), peer);
      this.infos.push(info);
      const error = this.refuseWith ?? (await this.#connect(info, path));
      const status = { plugin_registered: error === undefined, error: error ?? '' };
      await unary((done) => watcher.NotifyRegistrationStatus(status, { deadline }, done), peer);
    } finally {
      watcher.close();
      this.#changed.emit('change');
    }
  }

  /** Connects to the plugin, or says why not. */
  async #connect(info: PluginInfo__Output, path: string): Promise<string | undefined> {
    if (info.type !== 'DevicePlugin') return `no handler for ${info.type}`;
    if (!info.supported_versions.includes(devicePluginVersion)) return 'no version in common';
    const client = dial(DevicePlugin, info.endpoint === '' ? path : info.endpoint);
    await unary<DevicePluginOptions__Output>((done) => client.GetDevicePluginOptions({}, done), peer);
    const stream = client.ListAndWatch({});
    const plugin: Plugin = { path, client, stream, devices: undefined };
    this.drop(info.name);
    this.#plugins.set(info.name, plugin);
    stream.on('data', ({ devices }: ListAndWatchResponse__Output) => {
      plugin.devices = new Map(devices.map(({ ID, health }) => [ID, health]));
      this.#changed.emit('change');
    });
    const gone = (): void => {
      if (this.#plugins.get(info.name) === plugin) this.drop(info.name);
    };
    stream.on('error', gone);
    stream.on('end', gone);
    return undefined;
  }

  /** Drops the connection to a plugin; its socket stays seen. */
  drop(resource: string): void {
    const plugin = this.#plugins.get(resource);
    this.#plugins.delete(resource);
    plugin?.stream.cancel();
    plugin?.client.close();
    this.#changed.emit('change');
  }

  /** Health by device id; undefined when no plugin offers the resource. */
  devices(resource: string): ReadonlyMap<string, string> | undefined {
    return this.#plugins.get(resource)?.devices;
  }

  /** Waits until `condition` holds; it is looked at after everything that happens here. */
  async until(condition: () => boolean, what: string): Promise<void> {
    const signal = AbortSignal.timeout(waitMillis);
    while (!condition()) {
      try {
        await once(this.#changed, 'change', { signal });
      } catch (error) {
        throw new Error(`plugin watcher: waited ${waitMillis} ms for ${what}`, { cause: error });
      }
    }
  }
}
