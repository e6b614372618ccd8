// SPDX-License-Identifier: Apache-2.0
//
// The image as `npm run image` makes it, twice, in places of their own: the same bytes; a layout that a runtime takes; files
// that run below a read-only root as a user without any privilege.

import { execFileSync, spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import description from '../../../package.json' with { type: 'json' };
import { imageConfig } from '../../../scripts/image/config.ts';
import { tree } from '../../e2e/person.ts';
import { Program } from '../../e2e/program.ts';
import { groupNeeds, needs } from '../../support/need.ts';
import { type Layout, readLayout } from '../../support/oci-layout.ts';
import { type Built, buildInCopy, directoryInBuild } from './copy.ts';

const slowMillis = 300_000;

groupNeeds('strip')('the image', () => {
  let place: string;
  let root: string;
  let host: string;
  let built: Built;
  let again: Built;
  let layout: Layout;

  beforeAll(() => {
    place = directoryInBuild();
    built = buildInCopy(join(place, 'a'), '022');
    again = buildInCopy(join(place, 'another/place'), '077');
    mkdirSync(join(place, 'layout'));
    layout = readLayout(built.archive, join(place, 'layout'));
    root = join(place, 'root');
    layout.unpack(root);
    host = join(place, 'host');
    for (const each of [host, join(root, 'host')]) mkdirSync(each);
  }, slowMillis);

  afterAll(() => rmSync(place, { recursive: true, force: true }));

  test('is the same wherever and under whatever umask it is built', () => {
    expect(again.digest).toBe(built.digest);
    expect(readFileSync(again.archive).equals(readFileSync(built.archive))).toBe(true);
    expect(again.parts).toBe(built.parts);
  });

  test('tells nothing about the place of its build', () => {
    for (const layer of layout.layers) {
      const content = layout.content(layer);
      for (const path of [tree, place]) expect(content.includes(path)).toBe(false);
    }
  });

  test('says what it is', () => {
    expect(layout.manifest.digest).toBe(built.digest);
    expect(layout.config.created).toBe('2023-11-14T22:13:20.000Z');
    const { user, entrypoint } = imageConfig;
    expect(layout.config.config).toMatchObject({
      User: user,
      Entrypoint: entrypoint,
      Labels: {
        'org.opencontainers.image.title': 'usvhost',
        'org.opencontainers.image.licenses': 'Apache-2.0',
        'org.opencontainers.image.revision': 'abc',
      },
    });
  });

  test('is less than 120 MB above its libraries, and what is ours is a small layer', () => {
    expect(layout.layers).toHaveLength(3);
    const [, node = 0, ours = 0] = layout.layers.map(({ size }) => size);
    expect(node + ours).toBeLessThan(120e6);
    expect(ours).toBeLessThan(8e6);
  });

  test('has no shell and no package manager', () => {
    const programs = execFileSync('find', [join(root, 'bin'), '-printf', '%P\n'], { encoding: 'utf8' });
    expect(programs.trim().split('\n').toSorted()).toEqual(['node', 'usvhost']);
    for (const path of ['sbin', 'usr/bin', 'usr/sbin', 'usr/lib/node_modules', 'tmp'])
      expect(existsSync(join(root, path))).toBe(false);
  });

  test('lists its parts', () => {
    const { components, metadata } = JSON.parse(built.parts);
    expect(metadata.component).toMatchObject({ type: 'container', name: 'usvhost' });
    const names = components.map(({ name }: { name: string }) => name);
    expect(names).toEqual(expect.arrayContaining(['zod', 'commander', '@grpc/grpc-js']));
    expect(names.filter((name: string) => name.startsWith('node-linux-'))).toHaveLength(1);
    expect(names.filter((name: string) => /^(jest|typescript|esbuild)$/.test(name))).toEqual([]);
    const files = components.filter((part: { 'bom-ref': string }) => part['bom-ref'].startsWith('file:'));
    expect(files.map((part: { 'bom-ref': string }) => part['bom-ref']).join()).toContain('libc.so.6');
  });

  /** The arguments that run a program of the image below its read-only root, with `host` at /host. */
  function inImage(command: readonly string[], user: string = imageConfig.user): string[] {
    const script = [
      ...['mount --bind "$1" "$1"', 'mount -o remount,bind,ro "$1"', 'mount --bind "$2" "$1/host"'],
      'user=$3 root=$1; shift 3; exec chroot --userspec="$user" "$root" "$@"',
    ].join('; ');
    return ['unshare', '--mount', '--net', '--', 'sh', '-ec', script, 'sh', root, host, user, ...command];
  }

  // The programs around the image's are looked for here, the image's own below its root.
  const env = { ...imageConfig.env, PATH: `/bin:${process.env['PATH']}:/usr/sbin:/sbin` };

  function outputOf(command: readonly string[], user?: string): string {
    const [file = '', ...args] = inImage(command, user);
    const { status, stdout, stderr } = spawnSync(file, args, { encoding: 'utf8', env });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    return stdout;
  }

  const run = needs('root', 'unshare');
  const [program] = imageConfig.entrypoint;

  run('runs below a read-only root as its own user', () => {
    expect(outputOf([program, '--version'])).toBe(`${description.version}\n`);
    expect(outputOf(['usvhost', 'switch', '--help'])).toContain('usvhost switch --cpus');
    const write = "try{fs.writeFileSync('/x','')}catch(e){console.log(process.getuid(),e.code)}";
    expect(outputOf(['/bin/node', '-e', write])).toBe('65532 EROFS\n');
  });

  run('starts fast', () => {
    const times = [1, 2, 3].map(() => {
      const start = performance.now();
      outputOf([program, '--version']);
      return `${(performance.now() - start).toFixed(0)} ms`;
    });
    process.stdout.write(`image: usvhost --version in ${times.join(', ')}\n`);
  });

  run('runs the switch, with the addon', async () => {
    chownSync(host, 65_532, 65_532);
    const daemon = new Program(inImage([program, 'switch', '--root', '/host']), { env, stdin: '' });
    try {
      await daemon.says('switch is listening');
      expect(existsSync(join(host, 'run/usvhost/switch.sock'))).toBe(true);
    } finally {
      await daemon.stop();
    }
    expect(await daemon.ended()).toMatchObject({ status: 0 });
  });

  run('runs a packet handler from a file, as TypeScript', async () => {
    const page = readFileSync(join(tree, 'docs/packets.md'), 'utf8');
    writeFileSync(join(host, 'filter.ts'), /^```ts\n(.*?)^```$/ms.exec(page)?.[1] ?? '');
    const port = 'net_virtio_user0,path=/host/none.sock';
    const args = ['--engine', 'handler', '--handler', '/host/filter.ts', '--port', port];
    const daemon = new Program(inImage([program, 'dataplane', ...args]), { env, stdin: '' });
    try {
      await daemon.says('filter between net_virtio_user0');
      await daemon.says('dataplane runs');
    } finally {
      await daemon.stop();
    }
    expect(await daemon.ended()).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('"handler":{"answered":0'),
    });
  });

  run('finds the CNI plugin to install', () => {
    expect(outputOf([program, 'install', '--root', '/host'], '0:0')).toBe(
      '/host/opt/cni/bin/usvhost: installed\n',
    );
    const plugin = join(host, 'opt/cni/bin/usvhost');
    const input = '{"cniVersion":"1.1.0"}';
    const answer = execFileSync(plugin, [], { encoding: 'utf8', env: { CNI_COMMAND: 'VERSION' }, input });
    expect(JSON.parse(answer)).toMatchObject({ cniVersion: '1.1.0' });
  });
});
