// SPDX-License-Identifier: Apache-2.0
//
// The result of ADD: built in the shape of CNI 1.1.0 and written in the version of the request. Fields that a version does
// not know are left out, never sent.

import * as z from 'zod';
import { usvError } from '../lib/errors.ts';
import { type CniVersion, isAtLeast } from './config.ts';

const route = z.looseObject({
  dst: z.string(),
  gw: z.string().optional(),
  mtu: z.number().optional(),
  advmss: z.number().optional(),
  priority: z.number().optional(),
  table: z.number().optional(),
  scope: z.number().optional(),
});

const ip = z.looseObject({
  address: z.string(),
  gateway: z.string().optional(),
  interface: z.number().optional(),
});

const networkInterface = z.looseObject({
  name: z.string(),
  mac: z.string().optional(),
  mtu: z.number().optional(),
  sandbox: z.string().optional(),
  socketPath: z.string().optional(),
  pciID: z.string().optional(),
});

const dns = z.looseObject({
  nameservers: z.array(z.string()).optional(),
  domain: z.string().optional(),
  search: z.array(z.string()).optional(),
  options: z.array(z.string()).optional(),
});

/** A result of any supported version, of ours or of another plugin (an IPAM plugin's has no interfaces). */
export const resultSchema = z.looseObject({
  interfaces: z.array(networkInterface).optional(),
  ips: z.array(ip).optional(),
  routes: z.array(route).optional(),
  dns: dns.optional(),
});

export type CniResult = z.output<typeof resultSchema>;
type CniInterface = z.output<typeof networkInterface>;
export type CniIp = z.output<typeof ip>;
export type CniRoute = z.output<typeof route>;

/** Reads a `prevResult`. Throws USV_CONFIG. */
export function readPrevious(value: unknown): CniResult {
  const parsed = resultSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const got = JSON.stringify(value).slice(0, 200);
  throw usvError('USV_CONFIG', { what: 'prevResult', expected: 'the result of ADD', got, cni: 7 });
}

export interface OwnResult {
  readonly interface: CniInterface;
  readonly ips: readonly CniIp[];
  readonly routes: readonly CniRoute[];
  readonly dns: CniResult['dns'];
}

/** Our result behind that of the plugins before us (CNI 1.1.0, section 4: `prevResult` is passed on). */
export function mergeResult(previous: CniResult | undefined, own: OwnResult): CniResult {
  const interfaces = [...(previous?.interfaces ?? []), own.interface];
  const index = interfaces.length - 1;
  const ownIps = own.ips.map(({ address, gateway }) => ({
    address,
    ...(gateway === undefined ? {} : { gateway }),
    interface: index,
  }));
  return {
    interfaces,
    ips: [...(previous?.ips ?? []), ...ownIps],
    routes: [...(previous?.routes ?? []), ...own.routes],
    dns: { ...previous?.dns, ...own.dns },
  };
}

/** Writes a result in the shape of `version`. */
export function toVersion(result: CniResult, version: CniVersion): Record<string, unknown> {
  const latest = isAtLeast(version, '1.1.0');
  return {
    cniVersion: version,
    interfaces: (result.interfaces ?? []).map(({ name, mac, sandbox, mtu, socketPath, pciID }) => ({
      name,
      ...defined({ mac, sandbox }),
      ...(latest ? defined({ mtu, socketPath, pciID }) : {}),
    })),
    ips: (result.ips ?? []).map((entry) => ({
      // Until 1.0.0 every address stated its family.
      ...(isAtLeast(version, '1.0.0') ? {} : { version: entry.address.includes(':') ? '6' : '4' }),
      ...defined({ interface: entry.interface, address: entry.address, gateway: entry.gateway }),
    })),
    routes: (result.routes ?? []).map(({ dst, gw, mtu, advmss, priority, table, scope }) => ({
      dst,
      ...defined({ gw }),
      ...(latest ? defined({ mtu, advmss, priority, table, scope }) : {}),
    })),
    dns: result.dns ?? {},
  };
}

function defined(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
