// SPDX-License-Identifier: Apache-2.0
//
// The reference page and the JSON Schema of port.json, from its zod schema.

import * as z from 'zod';
import { portContractSchema } from '../../lib/port-contract.ts';
import { generatedNote, type Output } from './output.ts';

interface Field {
  readonly type?: string | undefined;
  readonly const?: unknown;
  readonly enum?: readonly string[] | undefined;
  readonly items?: { readonly type: string } | undefined;
  readonly minimum?: number | undefined;
  readonly maximum?: number | undefined;
  readonly pattern?: string | undefined;
  readonly description?: string | undefined;
  readonly properties?: Readonly<Record<string, Field>> | undefined;
  readonly required?: readonly string[] | undefined;
}

/** The part of JSON Schema that the contract uses. */
const fieldSchema: z.ZodType<Field> = z.lazy(() =>
  z.looseObject({
    type: z.string().optional(),
    const: z.unknown().optional(),
    enum: z.array(z.string()).optional(),
    items: z.looseObject({ type: z.string() }).optional(),
    minimum: z.number().optional(),
    maximum: z.number().optional(),
    pattern: z.string().optional(),
    description: z.string().optional(),
    properties: z.record(z.string(), fieldSchema).optional(),
    required: z.array(z.string()).optional(),
  }),
);

function kindOf({ const: fixed, enum: values, items, minimum, maximum, pattern, type }: Field): string {
  if (fixed !== undefined) return `\`${JSON.stringify(fixed)}\``;
  if (values !== undefined) return values.map((value) => `\`"${value}"\``).join(', ');
  if (items !== undefined) return `list of ${items.type}`;
  if (pattern !== undefined) return `${type ?? 'string'} \`${pattern}\``;
  if (minimum === undefined) return type ?? 'any';
  const most = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER ? 'up' : `to ${maximum}`;
  return `${type ?? 'number'} from ${minimum} ${most}`;
}

/** One row a leaf, nested keys joined by dots. */
function rows(field: Field, path: readonly string[], required: boolean): string[] {
  const keys = Object.entries(field.properties ?? {});
  if (keys.length > 0) {
    return keys.flatMap(([key, child]) =>
      rows(child, [...path, key], required && (field.required ?? []).includes(key)),
    );
  }
  const cells = [
    `\`${path.join('.')}\``,
    kindOf(field),
    required ? 'always' : 'optional',
    field.description ?? '',
  ];
  return [`| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`];
}

const example = {
  version: 1,
  ifname: 'net1',
  socket: {
    pod: '/var/run/usvhost/net1/vhost.sock',
    host: '/run/usvhost/ports/p0123456789abcd/vhost.sock',
  },
  podRole: 'client',
  mac: '02:2e:13:78:29:38',
  mtu: 1500,
  queues: 1,
  queueSize: 256,
  ips: ['10.9.0.2/24'],
  endpoint: 'tap',
  network: 'fast',
  pod: { namespace: 'default', name: 'app-0' },
} satisfies z.input<typeof portContractSchema>;

function page(field: Field): string {
  return `# port.json, the contract of a port

${generatedNote('lib/port-contract.ts')}

Whoever runs in a pod finds each of its ports in a directory \`/var/run/usvhost/<ifname>/\`: the vhost-user socket
\`vhost.sock\`, and \`port.json\`, which says what the port is like. The node writes the file by rename before any container of the pod
starts; a pod that connects sees the directory read-only. [port-contract.schema.json](port-contract.schema.json) is its JSON Schema.

Readers ignore keys that they do not know, and refuse a \`version\` that they do not know. Within a version keys are only added.

| key | kind | there | meaning |
|---|---|---|---|
${rows(field, [], true).join('\n')}

\`\`\`json
${JSON.stringify(example, undefined, 2)}
\`\`\`

## Checking a port

\`usvhost check PORT_DIR\` tells in words whether a directory keeps this contract, in the pod or on the node, and ends with status 1 when it
does not. It changes nothing.

| looked at | what must hold |
|---|---|
| \`directory\` | it is a directory |
| \`port.json\` | a plain file, no link, at most 64 KiB, JSON, of the schema |
| \`name\` | the directory is named as \`ifname\`, or on the node as the port |
| \`socket paths\` | at most 107 bytes, \`socket.pod\` in a directory of the interface's name |
| \`MAC\`, \`MTU\`, \`queues\`, \`addresses\` | values that a driver and a kernel can use: unicast; at least 1280 with IPv6, at most 2030 with a tap; a power of two; addresses with prefix, none twice |
| \`socket\` | a socket, its path at most 107 bytes; where the pod listens it may not be there yet |
| \`back-end\` | it answers GET_FEATURES within 5 s; one that has a driver refuses a second one, and is reported as in use, not as wrong; not asked where the pod listens |
| \`features\`, \`protocol features\` | by name; VERSION_1 is needed |
| \`tap\` | with \`"endpoint": "tap"\`, seen from inside the pod, the interface is there |

Each line is \`ok\`, \`note\`, \`skipped\` or \`wrong\`, and below what is wrong stands what to do. The last line is the port as \`--vdev\` of
dpdk-testpmd. \`--json\` prints one document: \`{"directory","conforms","findings":[{"what","state","says","todo"}],"offers":{"virtio","protocol"},"devargs"}\`.
While it asks, a free port counts as connected for a moment; a driver that connects in that moment is refused once and tries again.
`;
}

export async function generate(): Promise<readonly Output[]> {
  const json = z.toJSONSchema(portContractSchema, { io: 'input' });
  return [
    { path: 'docs/port-contract.md', content: page(fieldSchema.parse(json)) },
    { path: 'docs/port-contract.schema.json', content: `${JSON.stringify(json, undefined, 2)}\n` },
  ];
}
