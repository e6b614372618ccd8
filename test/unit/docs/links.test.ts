// SPDX-License-Identifier: Apache-2.0
//
// Links from one page to another lead to a file, and to a heading that is in it.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from '@jest/globals';
import { projectRoot } from '../../../scripts/main.ts';

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'charts/usvhost/README.md',
  'manifests/examples/README.md',
  ...['docs', 'docs/decisions'].flatMap((folder) =>
    readdirSync(join(projectRoot, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(folder, name)),
  ),
];

const textOf = (page: string): string => readFileSync(join(projectRoot, page), 'utf8');
const withoutCode = (text: string): string => text.replaceAll(/^```[\s\S]*?^```/gm, '');

/** As GitHub makes them: small letters, no punctuation, hyphens for spaces. */
function anchorsOf(page: string): string[] {
  const titles = [...withoutCode(textOf(page)).matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => title);
  return titles.map((title) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** Links of a page that are not of the web: `[text](target)`, and pictures in HTML. */
function linksOf(page: string): string[] {
  const text = withoutCode(textOf(page)).replaceAll(/`[^`\n]*`/g, '');
  const links = [...text.matchAll(/\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"/g)];
  return links.map(([, first, second]) => first ?? second ?? '').filter((link) => !/^[a-z]+:/.test(link));
}

const links = pages.flatMap((page) => linksOf(page).map((link) => [page, link] as const));

test('every page is found from another one', () => {
  const found = new Set(links.map(([page, link]) => join(dirname(page), link.replace(/#.*/, ''))));
  // A folder that is linked, such as that of the decisions, stands for what is in it.
  const lonely = pages.filter(
    (page) => page.startsWith('docs/') && !found.has(page) && !found.has(dirname(page)),
  );
  expect(lonely).toEqual([]);
});

test('there are links to follow', () => {
  expect(links.length).toBeGreaterThan(100);
});

test.each(links)('%s: %s', (page, link) => {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? page : join(dirname(page), path);
  expect(existsSync(join(projectRoot, target))).toBe(true);
  if (anchor !== undefined && target.endsWith('.md')) expect(anchorsOf(target)).toContain(anchor);
});
