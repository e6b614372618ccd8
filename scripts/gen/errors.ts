// SPDX-License-Identifier: Apache-2.0
//
// docs/errors.md from the table of errors.

import { type ErrorCode, errorTable } from '../../lib/errors.ts';
import { generatedNote, type Output } from './output.ts';

const intro = `# Errors

${generatedNote('lib/errors.ts')}

Every failure has a code. It stands first in the message, in the metadata \`usvhost-code\` of a gRPC status, and in the
\`msg\` of a CNI error. A message about input has one form: \`expected … for …, got …\`.

The CNI code is what the plugin answers with unless the message comes from a delegated plugin, whose code is passed on;
codes below 100 are those of the CNI specification. The exit status is that of the command line.
`;

function section(code: ErrorCode): string {
  const { cause, next, cni, grpc, exit } = errorTable[code];
  return `
## ${code}

${cause}

*What to do:* ${next}

CNI code ${cni}, gRPC ${grpc}, exit status ${exit}.
`;
}

export async function generate(): Promise<readonly Output[]> {
  const codes = Object.keys(errorTable).toSorted() as ErrorCode[];
  return [{ path: 'docs/errors.md', content: intro + codes.map(section).join('') }];
}
