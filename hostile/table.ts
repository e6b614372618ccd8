// SPDX-License-Identifier: Apache-2.0
//
// The table of all cases.

import type { HostileCase } from './case.ts';
import { configCases } from './cases/config.ts';
import { descriptorCases } from './cases/descriptors.ts';
import { flowCases } from './cases/flows.ts';
import { frameCases } from './cases/frames.ts';
import { indirectCases } from './cases/indirect.ts';
import { memoryCases } from './cases/memory.ts';
import { mergeableCases } from './cases/mergeable.ts';
import { messageCases } from './cases/messages.ts';
import { notificationCases } from './cases/notifications.ts';
import { orderCases } from './cases/order.ts';
import { packedCases } from './cases/packed.ts';
import { queueCases } from './cases/queues.ts';
import { raceCases } from './cases/races.ts';
import { regionCases } from './cases/regions.ts';
import { repeatCases } from './cases/repeats.ts';
import { resetCases } from './cases/resets.ts';
import { ringCases } from './cases/rings.ts';
import { segmentCases } from './cases/segments.ts';
import { vringCases } from './cases/vrings.ts';

export const table: readonly HostileCase[] = [
  ...messageCases,
  ...descriptorCases,
  ...orderCases,
  ...repeatCases,
  ...configCases,
  ...resetCases,
  ...regionCases,
  ...vringCases,
  ...queueCases,
  ...ringCases,
  ...indirectCases,
  ...mergeableCases,
  ...packedCases,
  ...raceCases,
  ...memoryCases,
  ...notificationCases,
  ...frameCases,
  ...segmentCases,
  ...flowCases,
];
