// SPDX-License-Identifier: Apache-2.0
//
// Ports bound into pod directories that no record names, from the kernel's mount table. It only compares.

import { join, relative } from 'node:path';
import type { Attachment } from '../cni/attachment.ts';
import { mountPointsIn } from '../device-plugin/mount-points.ts';
import { memPlace } from '../lib/names.ts';
import type { OrphanMount } from './leftovers.ts';

/** `mountinfo`: text of the table; `podsDir`: without symbolic links. Deeper mounts are pods' own and not looked at. */
export function orphanMounts(
  mountinfo: string,
  podsDir: string,
  records: readonly Pick<Attachment, 'device' | 'ifname'>[],
): OrphanMount[] {
  const held = new Set(records.map(({ device, ifname }) => join(device, ifname)));
  const places = mountPointsIn(mountinfo, podsDir).map((point) => relative(podsDir, point));
  return [...new Set(places)].flatMap((place) => {
    const [device = '', ifname = '', ...deeper] = place.split('/');
    const isPort = device !== '' && ifname !== '' && ifname !== memPlace && deeper.length === 0;
    return isPort && !held.has(place) ? [{ device, ifname }] : [];
  });
}

/** Ports whose directory is bound anywhere, also those whose directory the switch has removed meanwhile. */
export function boundPorts(mountinfo: string): Set<string> {
  const ports = mountinfo.split('\n').flatMap((line) => {
    // The fourth field is the directory that the mount shows.
    const shown = /\/ports\/(p[0-9a-f]{14})(?:\/\/deleted)?$/.exec(line.split(' ')[3] ?? '')?.[1];
    const own = ownFileSystem(line);
    // One of its own shows its top everywhere, also in its first place.
    return shown ?? (own?.bound === true ? own.port : undefined) ?? [];
  });
  return new Set(ports);
}

/** Ports that have a file system of their own (cni/port-directory.ts), and no record. */
export function orphanPorts(mountinfo: string, records: readonly Pick<Attachment, 'port'>[]): string[] {
  const held = new Set(records.map(({ port }) => port));
  const found = mountinfo.split('\n').flatMap((line) => {
    const own = ownFileSystem(line);
    return own === undefined || own.bound || held.has(own.port) ? [] : [own.port];
  });
  return [...new Set(found)];
}

/** The port of a mount of a port's own file system, by its source; `bound`: the mount is not the port's directory. */
function ownFileSystem(line: string): { readonly port: string; readonly bound: boolean } | undefined {
  const port = / - tmpfs (p[0-9a-f]{14}) /.exec(line)?.[1];
  if (port === undefined) return undefined;
  return { port, bound: line.split(' ')[4]?.endsWith(`/ports/${port}`) !== true };
}
