// SPDX-License-Identifier: Apache-2.0
//
// A token bucket: so many at once, then so many in a time. It holds no timer; whoever has to wait is told how long.

export interface TokenBucketOptions {
  /** Tokens at the start, and the most that there can be. */
  readonly burst: number;
  /** Tokens that come back in a second. */
  readonly perSecond: number;
  /** Milliseconds of any clock that does not go back. */
  readonly now: () => number;
}

export class TokenBucket {
  readonly #options: TokenBucketOptions;
  #tokens: number;
  #at: number;

  constructor(options: TokenBucketOptions) {
    this.#options = options;
    this.#tokens = options.burst;
    this.#at = options.now();
  }

  /** True when there was a token; it is gone then. */
  take(): boolean {
    this.#fill();
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** Milliseconds until there is a token, 0 when there is one. */
  wait(): number {
    this.#fill();
    return this.#tokens >= 1 ? 0 : Math.ceil(((1 - this.#tokens) / this.#options.perSecond) * 1000);
  }

  #fill(): void {
    const { burst, perSecond, now } = this.#options;
    const at = now();
    this.#tokens = Math.min(burst, this.#tokens + (Math.max(0, at - this.#at) / 1000) * perSecond);
    this.#at = at;
  }
}
