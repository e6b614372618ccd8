// SPDX-License-Identifier: Apache-2.0
//
// Multus' annotation of a pod's networks, in its short form (`a,ns/b@net2`) or as JSON. What stands there stays as it is and
// in its place, since Multus numbers interfaces by it; networks that are missing come behind.

import * as z from 'zod/mini';
import { type NetworkName, quote, refusal } from './annotations.ts';

export const multusName = 'k8s.v1.cni.cncf.io/networks';

const elementsSchema = z.array(
  z.looseObject({
    name: z.string(),
    namespace: z.optional(z.nullable(z.string())),
    interface: z.optional(z.nullable(z.string())),
  }),
);

/** The annotation with all of `wanted` in it. @throws UsvhostError USV_ANNOTATION when `present` is none of Multus' forms */
export function mergeNetworks(
  present: string | undefined,
  wanted: readonly NetworkName[],
  podNamespace: string,
): string {
  const text = present ?? '';
  // As Multus itself decides it.
  if (/[[{"]/.test(text)) {
    const elements = parseElements(text);
    const missing = missingOf(elements.map(nameOf), wanted, podNamespace);
    if (missing.length === 0) return text;
    return JSON.stringify([...elements, ...missing.map(elementOf)]);
  }
  const items = text.trim() === '' ? [] : text.split(',').map((item) => item.trim());
  const missing = missingOf(items.map(parseItem), wanted, podNamespace);
  if (missing.length === 0) return text;
  return [...items, ...missing.map(itemOf)].join(',');
}

/** Those of `wanted` that nothing of `present` stands for; each of `present` stands for one. */
function missingOf(
  present: readonly NetworkName[],
  wanted: readonly NetworkName[],
  podNamespace: string,
): NetworkName[] {
  const free = new Set(present);
  const missing = new Set(wanted);
  const isSame = (one: NetworkName, other: NetworkName): boolean =>
    one.name === other.name && (one.namespace ?? podNamespace) === (other.namespace ?? podNamespace);
  const claim = (wish: NetworkName, accept: (found: NetworkName) => boolean): void => {
    const found = [...free].find((each) => isSame(each, wish) && accept(each));
    if (found === undefined) return;
    free.delete(found);
    missing.delete(wish);
  };
  // Wishes for an interface first: the others take any that is left, one without a name before all.
  for (const wish of wanted)
    if (wish.ifname !== undefined) claim(wish, ({ ifname }) => ifname === wish.ifname);
  const unnamed = wanted.filter(({ ifname }) => ifname === undefined);
  for (const wish of unnamed) claim(wish, ({ ifname }) => ifname === undefined);
  for (const wish of unnamed) if (missing.has(wish)) claim(wish, () => true);
  for (const { ifname } of missing) {
    if (ifname !== undefined && present.some((each) => each.ifname === ifname))
      throw refusal(multusName, `the interface ${ifname} for one network`, 'another network with it');
  }
  return [...missing];
}

function parseElements(text: string): z.output<typeof elementsSchema> {
  const expected = 'a JSON list of objects with a name';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refusal(multusName, expected, quote(text));
  }
  const parsed = elementsSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw refusal(multusName, expected, quote(text));
}

type Element = z.output<typeof elementsSchema>[number];

function nameOf({ name, namespace, interface: ifname }: Element): NetworkName {
  return { name, ...(namespace ? { namespace } : {}), ...(ifname ? { ifname } : {}) };
}

function elementOf({ name, namespace, ifname }: NetworkName): object {
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(ifname === undefined ? {} : { interface: ifname }),
  };
}

/** Multus will refuse what has another form; here it is a network that nobody means. */
function parseItem(item: string): NetworkName {
  const [, namespace, name = '', ifname] = /^(?:([^/@]*)\/)?([^/@]*)(?:@([^/@]*))?$/.exec(item) ?? [];
  return { name, ...(namespace ? { namespace } : {}), ...(ifname ? { ifname } : {}) };
}

function itemOf({ name, namespace, ifname }: NetworkName): string {
  return `${namespace === undefined ? '' : `${namespace}/`}${name}${ifname === undefined ? '' : `@${ifname}`}`;
}
