// SPDX-License-Identifier: Apache-2.0
//
// What a generator gives: files with their whole content. Writing and comparing is the business of gen.ts alone.

export interface Output {
  /** Relative to the top folder. */
  readonly path: string;
  readonly content: string;
}

/** The sentence at the head of a generated page. */
export function generatedNote(source: string): string {
  return `Generated from \`${source}\` by \`npm run gen\`; do not edit.`;
}
