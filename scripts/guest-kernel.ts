// SPDX-License-Identifier: Apache-2.0
//
// The kernel that guests of tests run: Debian's cloud kernel, downloaded by `npm run setup` and unpacked into the user's
// cache. It must never be installed, since an installed kernel is what the machine itself boots next.

import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { usvFailure } from '../lib/errors.ts';
import { capture } from './capture.ts';

/** Depends on the package of the newest version. */
const metaPackage = 'linux-image-cloud-amd64';

/** What makes a network interface of a virtio device on PCI, in the order in which one needs the other. */
export const guestModules = [
  'virtio_ring',
  'virtio',
  'virtio_pci_modern_dev',
  'virtio_pci_legacy_dev',
  'virtio_pci',
  'failover',
  'net_failover',
  'virtio_net',
] as const;

const kernelFile = 'vmlinuz';
const moduleFile = (name: string): string => `${name}.ko`;
const files = [kernelFile, ...guestModules.map(moduleFile)];

export interface GuestKernel {
  readonly version: string;
  readonly image: string;
  /** Module files in the order of loading. */
  readonly modules: readonly string[];
}

function cacheDirectory(): string {
  const given = process.env['XDG_CACHE_HOME'] ?? '';
  return join(given === '' ? join(homedir(), '.cache') : given, 'usvhost/guest-kernel');
}

const isWhole = (directory: string): boolean => files.every((name) => existsSync(join(directory, name)));

/** The newest one in the cache; undefined when there is none, or on a machine of another kind. */
export function findGuestKernel(): GuestKernel | undefined {
  const cache = cacheDirectory();
  if (process.arch !== 'x64' || !existsSync(cache)) return undefined;
  const version = readdirSync(cache)
    .filter((name) => isWhole(join(cache, name)))
    .toSorted((one, other) => one.localeCompare(other, 'en', { numeric: true }))
    .at(-1);
  if (version === undefined) return undefined;
  return {
    version,
    image: join(cache, version, kernelFile),
    modules: guestModules.map((name) => join(cache, version, moduleFile(name))),
  };
}

async function succeed(program: string, args: readonly string[]): Promise<string> {
  const { code, output, errors } = await capture(program, args);
  if (code !== 0) {
    throw usvFailure('USV_IO', `${program} ${args.join(' ')} ended with status ${code}:\n${errors}`);
  }
  return output;
}

/** Package and version of the kernel that a description of `metaPackage` leads to; undefined when it names none. */
export function kernelPackage(description: string): { name: string; version: string } | undefined {
  const [, name, version] = /^Depends:.*?(linux-image-\S+) \(= (\S+)\)/m.exec(description) ?? [];
  return name === undefined || version === undefined ? undefined : { name, version };
}

/**
 * Downloads the newest kernel that apt knows, unless it is in the cache. False where there is none for this machine.
 * @throws UsvhostError USV_IO
 */
export async function fetchGuestKernel(): Promise<boolean> {
  if (process.arch !== 'x64') return false;
  const shown = await capture('apt-cache', ['show', '--no-all-versions', metaPackage]);
  const kernel = kernelPackage(shown.output);
  if (kernel === undefined) return false;
  const cache = cacheDirectory();
  const directory = join(cache, `${kernel.name}_${kernel.version}`);
  if (isWhole(directory)) return true;
  mkdirSync(cache, { recursive: true });
  // Under its name by rename: another run may be at it too, and none may see half a kernel.
  const own = mkdtempSync(join(cache, 'fetch-'));
  try {
    const download = 'cd "$1" && exec apt-get -o APT::Sandbox::User=root --quiet=2 download "$2"';
    await succeed('sh', ['-c', download, 'sh', own, `${kernel.name}=${kernel.version}`]);
    const [archive = ''] = readdirSync(own);
    await succeed('dpkg-deb', ['--extract', join(own, archive), join(own, 'all')]);
    const found = readdirSync(join(own, 'all'), { recursive: true, encoding: 'utf8' });
    const kept = join(own, 'kept');
    mkdirSync(kept);
    for (const name of files) {
      const isIt = (path: string): boolean =>
        name === kernelFile ? path.startsWith('boot/vmlinuz-') : basename(path) === name;
      const path = found.find(isIt);
      if (path === undefined) throw usvFailure('USV_IO', `${archive} has no ${name}`);
      copyFileSync(join(own, 'all', path), join(kept, name));
    }
    rmSync(directory, { recursive: true, force: true });
    renameSync(kept, directory);
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
  return true;
}
