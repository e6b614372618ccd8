// SPDX-License-Identifier: Apache-2.0
//
// An IPAM plugin of CNI 1.1.0 that writes down how it is called and can be told to fail.

import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface RecordingPlugin {
  /** Value for CNI_PATH; the plugin's type is `recorder`. */
  readonly path: string;
  /** `COMMAND CONTAINER IFNAME` of each call so far; what is not set is a dash. */
  calls(): string[];
  /** The command fails from now on with the code 77, for one container if given. */
  fail(command: string, containerId?: string): void;
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
case $CNI_COMMAND in
  VERSION) echo '{"cniVersion":"1.1.0","supportedVersions":["1.0.0","1.1.0"]}';;
  ADD) echo '{"cniVersion":"1.1.0","ips":[{"address":"10.4.0.2/24"}]}';;
esac
`;
  writeFileSync(join(path, 'recorder'), script);
  chmodSync(join(path, 'recorder'), 0o755);
  return {
    path,
    calls: () => (existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n') : []),
    fail: (command, containerId) =>
      writeFileSync(join(path, ['fail', command, containerId ?? []].flat().join(' ')), ''),
  };
}
