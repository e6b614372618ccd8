// SPDX-License-Identifier: Apache-2.0
//
// Between what is known of the switch and what the kubelet is told. The kubelet rejects a pod that needs a device which
// is unhealthy or unknown, and does not try again, while CNI ADD against an absent switch is repeated; so a restart of
// the switch, and the start of a node where everything comes up at once, must not show. Bad news waits, good news does not.

export interface HealthGateOptions {
  /** How long the switch may be away before that is told. */
  readonly graceMillis: number;
  /** The same from the start, when the switch was not seen yet. */
  readonly startGraceMillis: number;
  /** Told each change; healthy counts as told at the start. */
  readonly onChange: (healthy: boolean) => void;
}

export class HealthGate {
  readonly #options: HealthGateOptions;
  #told = true;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: HealthGateOptions) {
    this.#options = options;
    this.#arm(options.startGraceMillis);
  }

  /** What was seen last. */
  set(healthy: boolean): void {
    if (healthy) {
      this.#disarm();
      this.#tell(true);
    } else if (this.#told && this.#timer === undefined) this.#arm(this.#options.graceMillis);
  }

  close(): void {
    this.#disarm();
  }

  #arm(millis: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#tell(false);
    }, millis);
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #tell(healthy: boolean): void {
    if (this.#told === healthy) return;
    this.#told = healthy;
    this.#options.onChange(healthy);
  }
}
