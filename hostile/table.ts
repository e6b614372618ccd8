// SPDX-License-Identifier: Apache-2.0
//
// The table of all cases.

import type { HostileCase } from './case.ts';
import { descriptorCases } from './cases/descriptors.ts';
import { frameCases } from './cases/frames.ts';
import { indirectCases } from './cases/indirect.ts';
import { memoryCases } from './cases/memory.ts';
import { mergeableCases } from './cases/mergeable.ts';
import { messageCases } from './cases/messages.ts';
import { notificationCases } from './cases/notifications.ts';
import { orderCases } from './cases/order.ts';
import { packedCases } from './cases/packed.ts';
import { raceCases } from './cases/races.ts';
import { regionCases } from './cases/regions.ts';
import { repeatCases } from './cases/repeats.ts';
import { ringCases } from './cases/rings.ts';
import { vringCases } from './cases/vrings.ts';

export const table: readonly HostileCase[] = [
  ...messageCases,
  ...descriptorCases,
  ...orderCases,
  ...repeatCases,
  ...regionCases,
  ...vringCases,
  ...ringCases,
  ...indirectCases,
  ...mergeableCases,
  ...packedCases,
  ...raceCases,
  ...memoryCases,
  ...notificationCases,
  ...frameCases,
];
