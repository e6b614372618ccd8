// SPDX-License-Identifier: Apache-2.0

/** The sizes at which implementations differ: smallest, one cache line, two, a middle one, largest. */
export const frameSizes = [60, 64, 128, 512, 1514] as const;
