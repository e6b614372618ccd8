// SPDX-License-Identifier: Apache-2.0
//
// An IPAM plugin of CNI 1.1.0 that writes down how it is called and can be told to fail.

import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../../support/eventually.ts';

export interface RecordingPlugin {
  /** Value for CNI_PATH; the plugin's type is `recorder`. */
  readonly path: string;
  /** `COMMAND CONTAINER IFNAME` of each call so far; what is not set is a dash. */
  calls(): string[];
  /** The command fails from now on with the code 77, for one container if given. */
  fail(command: string, containerId?: string): void;
  /** The next call of the command does not end before it is released. */
  hold(command: string): { reached(): Promise<unknown>; release(): void };
}

export function recordingPlugin(root: string): RecordingPlugin {
  const path = join(root, 'recorder');
  const log = join(path, 'log');
  mkdirSync(path);
  const script = `#!/bin/sh
cat >/dev/null
call="$CNI_COMMAND \${CNI_CONTAINERID:--}"
echo "$call \${CNI_IFNAME:--}" >>'${log}'
if [ -e "${path}/fail $CNI_COMMAND" ] || [ -e "${path}/fail $call" ]; then
  echo '{"cniVersion":"1.1.0","code":77,"msg":"as told","details":"by the test"}'
  exit 1
fi
if [ -p "${path}/hold $CNI_COMMAND" ]; then read -r line <"${path}/hold $CNI_COMMAND"; fi
case $CNI_COMMAND in
  VERSION) echo '{"cniVersion":"1.1.0","supportedVersions":["1.0.0","1.1.0"]}';;
  ADD) echo '{"cniVersion":"1.1.0","ips":[{"address":"10.4.0.2/24"}]}';;
esac
`;
  writeFileSync(join(path, 'recorder'), script);
  chmodSync(join(path, 'recorder'), 0o755);
  const calls = (): string[] => (existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n') : []);
  return {
    path,
    calls,
    fail: (command, containerId) =>
      writeFileSync(join(path, ['fail', command, containerId ?? []].flat().join(' ')), ''),
    hold: (command) => {
      const pipe = join(path, `hold ${command}`);
      execFileSync('mkfifo', [pipe]);
      const before = calls().length;
      const isHeld = (now: readonly string[]): boolean =>
        now.slice(before).some((call) => call.startsWith(command));
      return {
        reached: () => eventually(calls, isHeld, `a ${command}`),
        release: () => {
          // Opening it waits for the plugin to do so.
          writeFileSync(pipe, '\n');
          rmSync(pipe);
        },
      };
    },
  };
}
