// SPDX-License-Identifier: Apache-2.0
//
// Configuration of `usvhost webhook`: types, validation, documentation and chart values all follow from this schema.

import * as z from 'zod/mini';
import { absolutePath, integerField } from './fields.ts';

const ipAddress = z.string().check(z.regex(/^[0-9a-fA-F.:]+$/, 'expected an IP address'));
const quantity = z
  .string()
  .check(z.regex(/^\d+(\.\d+)?(m|k|Ki|M|Mi|G|Gi)?$/, 'expected a quantity such as 100m or 64Mi'));

export const webhookConfigSchema = z.strictObject({
  address: z
    ._default(z.nullable(ipAddress), null)
    .check(z.describe('IP address for the API server; null: every address of the machine')),
  port: integerField(0, 65_535, 8443, 'TCP port for the API server; 0: any free one, named in the log'),
  certificate: z
    ._default(absolutePath, '/etc/usvhost/tls/tls.crt')
    .check(z.describe('file of the certificate, PEM, with its chain; read again when it changes')),
  key: z
    ._default(absolutePath, '/etc/usvhost/tls/tls.key')
    .check(z.describe("file of the certificate's key, PEM; read again when it changes")),
  metricsAddress: z
    ._default(z.nullable(ipAddress), '127.0.0.1')
    .check(z.describe('IP address for metrics, health and readiness by plain HTTP; null: none')),
  metricsPort: integerField(0, 65_535, 9809, 'TCP port for these; 0: any free one, named in the log'),
  attach: z
    ._default(z.enum(['multus', 'chained']), 'multus')
    .check(
      z.describe(
        "how pods come to their networks: multus by name, chained by the plugin in the cluster's own network, which gives one port",
      ),
    ),
  defaultNetwork: z
    ._default(
      z
        .string()
        .check(
          z.regex(
            /^([a-z0-9]([-a-z0-9]*[a-z0-9])?\/)?[a-z0-9]([-a-z0-9]*[a-z0-9])?$/,
            'expected the name of a NetworkAttachmentDefinition, with its namespace and / before it if it has another one than the pod',
          ),
        ),
      'usvhost',
    )
    .check(z.describe('multus: the network of a pod that names none')),
  resourceName: z
    ._default(z.string().check(z.regex(/^[a-z0-9.-]+\/[A-Za-z0-9._-]+$/)), 'usvhost.io/port')
    .check(z.describe("name of the ports' extended resource, as the agent's; slices have its domain")),
  maxPorts: integerField(1, 1024, 64, 'how many ports a node has at most, as ports of the agent'),
  image: z
    .string()
    .check(z.minLength(1), z.maxLength(512), z.describe('image of the sidecar, with usvhost in its PATH')),
  imagePullPolicy: z
    ._default(z.enum(['IfNotPresent', 'Always', 'Never']), 'IfNotPresent')
    .check(z.describe("the sidecar's imagePullPolicy")),
  uid: integerField(
    1,
    4_294_967_294,
    65_532,
    'user and group of the sidecar; uid of the networks, since a tap belongs to one user',
  ),
  cpuRequest: z._default(quantity, '10m').check(z.describe('CPU that a sidecar requests')),
  cpuLimit: z
    ._default(z.nullable(quantity), null)
    .check(z.describe('CPU that a sidecar may use; null: no limit')),
  memoryRequest: z._default(quantity, '64Mi').check(z.describe('memory that a sidecar requests')),
  memoryLimit: z
    ._default(quantity, '128Mi')
    .check(z.describe('memory that a sidecar may use, rings and packet buffers included')),
  startupSeconds: integerField(
    1,
    3600,
    120,
    'how long a sidecar may be without a link at its start before it is restarted',
  ),
});

export type WebhookConfig = Readonly<z.output<typeof webhookConfigSchema>>;
