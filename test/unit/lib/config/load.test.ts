// SPDX-License-Identifier: Apache-2.0
//
// Where a value comes from, and what is said about one that cannot be used.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import * as z from 'zod';
import { environmentName, loadConfig } from '../../../../lib/config/load.ts';

const schema = z.strictObject({
  maxPorts: z.int().min(1).max(1000).default(256),
  name: z.string().default('none'),
  cpus: z.array(z.int()).default([]),
  kind: z.enum(['a', 'b']).default('a'),
});

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'usv-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function file(content: unknown): string {
  const path = join(directory, 'config.json');
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

interface Given {
  readonly file?: string;
  readonly env?: Record<string, string>;
  readonly flags?: Record<string, unknown>;
}
const load = (given: Given): z.output<typeof schema> =>
  loadConfig(schema, { role: 'test', env: {}, flags: {}, ...given });

/** The message of the USV_CONFIG that loading throws. */
function refusal(given: Given): string {
  try {
    load(given);
  } catch (error) {
    expect(error).toMatchObject({ code: 'USV_CONFIG', exitCode: 2 });
    return String(error);
  }
  throw new Error('expected USV_CONFIG');
}

test('field names in the environment', () => {
  expect(environmentName('switch', 'maxPorts')).toBe('USVHOST_SWITCH_MAX_PORTS');
  expect(environmentName('agent', 'root')).toBe('USVHOST_AGENT_ROOT');
});

describe('weight', () => {
  test('nothing given: defaults', () => {
    expect(load({})).toEqual({ maxPorts: 256, name: 'none', cpus: [], kind: 'a' });
  });

  test('the heaviest source that gives a value wins, whatever the others give', () => {
    const value = fc.option(fc.integer({ min: 1, max: 1000 }), { nil: undefined });
    fc.assert(
      fc.property(value, value, value, (inFile, inEnv, inFlags) => {
        const { maxPorts } = load({
          file: file(inFile === undefined ? {} : { maxPorts: inFile }),
          env: inEnv === undefined ? {} : { USVHOST_TEST_MAX_PORTS: String(inEnv) },
          flags: { maxPorts: inFlags },
        });
        expect(maxPorts).toBe(inFlags ?? inEnv ?? inFile ?? 256);
      }),
    );
  });

  test('fields are merged one by one', () => {
    const given = {
      file: file({ name: 'file', kind: 'b' }),
      env: { USVHOST_TEST_NAME: 'env' },
      flags: { cpus: [1] },
    };
    expect(load(given)).toEqual({ maxPorts: 256, name: 'env', cpus: [1], kind: 'b' });
  });
});

describe('environment', () => {
  test('numbers and lists are JSON, texts are texts', () => {
    const env = { USVHOST_TEST_CPUS: '[1,2]', USVHOST_TEST_MAX_PORTS: '7', USVHOST_TEST_NAME: '17' };
    expect(load({ env })).toMatchObject({ cpus: [1, 2], maxPorts: 7, name: '17' });
  });

  test('any text is a text', () => {
    fc.assert(
      fc.property(fc.string(), (name) => {
        expect(load({ env: { USVHOST_TEST_NAME: name } }).name).toBe(name);
      }),
    );
  });

  test('variables of other roles and unknown fields do not count', () => {
    expect(load({ env: { USVHOST_OTHER_NAME: 'x', USVHOST_TEST_FUTURE: 'x' } }).name).toBe('none');
  });
});

describe('refuses', () => {
  test.each<[string, Given, string]>([
    [
      'a number that is too small',
      { flags: { maxPorts: 0 } },
      'expected number to be >=1 for maxPorts, got 0',
    ],
    ['NaN of a flag', { flags: { maxPorts: Number.NaN } }, 'expected number for maxPorts, got '],
    [
      'a text for a number',
      { env: { USVHOST_TEST_MAX_PORTS: 'many' } },
      'expected number for maxPorts, got "many"',
    ],
    ['a wrong choice', { env: { USVHOST_TEST_KIND: 'c' } }, 'expected one of "a"|"b" for kind, got "c"'],
    ['a wrong element', { flags: { cpus: [0, 'x'] } }, 'expected number for cpus.1, got "x"'],
  ])('%s', (_name, given, message) => {
    expect(refusal(given)).toContain(message);
  });

  test('an unknown field of the file, with those it knows', () => {
    const message = refusal({ file: file({ maxPort: 3 }) });
    expect(message).toContain('expected only maxPorts, name, cpus, kind for maxPort');
  });

  test.each([
    ['no JSON', '{', 'expected JSON for the file'],
    ['a list', [], 'expected a JSON object for the file'],
    ['null', null, 'expected a JSON object for the file'],
  ])('a file with %s', (_name, content, message) => {
    expect(refusal({ file: file(content) })).toContain(message);
  });

  test('a file that is not there', () => {
    const message = refusal({ file: join(directory, 'absent.json') });
    expect(message).toMatch(/expected a readable file for --config, got .*ENOENT/);
  });
});
