// SPDX-License-Identifier: Apache-2.0
//
// What the control side needs of the data plane. The native addon provides it; a test may provide another that really
// listens. Nothing here may know how packets move.

import type { NativeSwitch, SwitchEvent, SwitchOptions } from '../native/index.ts';

/** The data plane. `addPort` throws when the socket cannot be made; everything else only fails by a fault. */
export type NativeSwitchLike = Pick<NativeSwitch, 'addPort' | 'removePort' | 'ports' | 'close'>;

/** Makes the data plane; `onEvent` is called on the main thread, never from within a call of ours. */
export type CreateNative = (
  options: SwitchOptions,
  onEvent: (event: SwitchEvent) => void,
) => NativeSwitchLike;
