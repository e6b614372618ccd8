// SPDX-License-Identifier: Apache-2.0
//
// A slice's file is whole or not there; what stands in its place is removed, whatever it is, and not followed.

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { giveUpSliceFile, makeSliceFile } from '../../../device-plugin/slice-file.ts';
import { shimFile } from '../../../native/shim-file.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';

const newRoot = temporaryRoots();
let directory = '';
let path = '';

beforeEach(() => {
  directory = newRoot();
  path = join(directory, 'shm-1Mi-0');
});

/** Does as the program, without the blocks. */
async function fallocate(_: string, args: readonly string[]): Promise<void> {
  truncateSync(String(args.at(-1)), Number(args.at(-2)));
}

describe('making', () => {
  test('gives a file for everybody under its name, whatever a crash has left', async () => {
    writeFileSync(`${path}.new`, 'half made');
    await makeSliceFile({ path, bytes: 1 << 20 }, fallocate);
    expect(statSync(path)).toMatchObject({ size: 1 << 20 });
    expect(statSync(path).mode & 0o777).toBe(0o666);
    expect(readdirSync(directory)).toEqual(['shm-1Mi-0']);
  });

  test('asks for memory of the node', async () => {
    const asked: string[][] = [];
    const run = async (program: string, args: readonly string[]): Promise<void> => {
      asked.push([program, ...args]);
      await fallocate(program, args);
    };
    await makeSliceFile({ path, bytes: 4096, node: 3 }, run);
    expect(asked).toEqual([[shimFile, 'allocate', '3', '4096', `${path}.new`]]);
  });

  test('leaves nothing when there is no memory, and says what the program said', async () => {
    const run = async (): Promise<void> => {
      throw new Error('No space left on device');
    };
    await expect(makeSliceFile({ path, bytes: 4096 }, run)).rejects.toMatchObject({
      code: 'USV_MEMORY',
      message: expect.stringContaining('No space left on device'),
    });
    expect(readdirSync(directory)).toEqual([]);
  });
});

describe('giving up', () => {
  test.each<[string, () => void]>([
    ['nothing', () => {}],
    ['a file', () => writeFileSync(path, 'secret')],
    // What a container runtime makes of a mount's source that is missing.
    ['a directory', () => mkdirSync(join(path, 'x'), { recursive: true })],
  ])('removes %s', async (_, make) => {
    make();
    await giveUpSliceFile(path);
    expect(existsSync(path)).toBe(false);
  });

  test('does not follow a link', async () => {
    const other = join(directory, 'other');
    writeFileSync(other, 'kept');
    symlinkSync(other, path);
    await giveUpSliceFile(path);
    expect(readFileSync(other, 'utf8')).toBe('kept');
    expect(readdirSync(directory)).toEqual(['other']);
  });
});
