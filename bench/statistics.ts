// SPDX-License-Identifier: Apache-2.0
//
// The few numbers that a benchmark reports. Nothing is left out as an outlier: the spread is part of the result.

/** The middle value, or the mean of the two. @throws RangeError when there is none */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Linear between the two nearest values; `share` from 0 to 1. @throws RangeError when there is none */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new RangeError('expected at least one value, got none');
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * share;
  const below = sorted[Math.floor(place)] ?? 0;
  const above = sorted[Math.ceil(place)] ?? 0;
  return below + (above - below) * (place - Math.floor(place));
}

/** Rounded to four significant digits: a run does not know more. */
export function significant(value: number): number {
  return Number(value.toPrecision(4));
}
