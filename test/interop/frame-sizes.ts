// SPDX-License-Identifier: Apache-2.0

/** The sizes at which implementations differ: smallest, one cache line, two, a middle one, largest. */
export const frameSizes = [60, 64, 128, 512, 1514] as const;
/** Sizes of frames that take several buffers of whoever receives them, where a frame may. */
export const mergedSizes = [2049, 4200, 9000] as const;

/** All that are tried with or without buffers that may be merged. */
export function sizesFor(mergeable: boolean): readonly number[] {
  return mergeable ? [...frameSizes, ...mergedSizes] : frameSizes;
}
