// SPDX-License-Identifier: Apache-2.0
//
// For tests that need a program which may be absent. Such a test is skipped under a name that says what to install, and
// the runner lists it at the end; with USVHOST_REQUIRE=all it fails instead. There is no other way to skip.

import { beforeAll, describe, test } from '@jest/globals';
import { usvFailure } from '../../lib/errors.ts';
import { describePeers, missingPeers, type PeerName, requireAll } from '../../scripts/packages.ts';

type Define = (name: string, body: () => void | Promise<void>, timeoutMillis?: number) => void;
type DefineGroup = (name: string, body: () => void) => void;

/**
 * `test` for those that need peers: `const test = needs('dpdk-testpmd')`.
 * @throws in the test, UsvhostError USV_PEER_MISSING, when a peer is absent under USVHOST_REQUIRE=all
 */
export function needs(...names: readonly PeerName[]): Define {
  const missing = missingPeers(names);
  if (missing.length === 0) return test;
  if (!requireAll())
    return (name, body) => test.skip(`${name} [skipped: needs ${describePeers(missing)}]`, body);
  return (name) => {
    test(name, () => {
      throw usvFailure('USV_PEER_MISSING', describePeers(missing));
    });
  };
}

/** `describe` for a group that needs peers, its hooks included. */
export function groupNeeds(...names: readonly PeerName[]): DefineGroup {
  const missing = missingPeers(names);
  if (missing.length === 0) return describe;
  if (!requireAll())
    return (name, body) => describe.skip(`${name} [skipped: needs ${describePeers(missing)}]`, body);
  return (name, body) =>
    describe(name, () => {
      beforeAll(() => {
        throw usvFailure('USV_PEER_MISSING', describePeers(missing));
      });
      body();
    });
}
