// SPDX-License-Identifier: Apache-2.0
//
// From a pod to the patch that gives it what its annotations wish. Pure: the same pod has the same patch, and a pod that has
// been patched has an empty one, however often it is asked for.

import type { WebhookConfig } from '../lib/config/webhook.ts';
import { usvError } from '../lib/errors.ts';
import { quote, readWish, refusal, type Wish } from './annotations.ts';
import { mergeNetworks, multusName } from './multus.ts';
import { add, type Operation } from './patch.ts';
import { type Container, lastingContainers, limitOf, type Pod } from './pod.ts';
import { sidecar, sidecarName } from './sidecar.ts';

export interface Circumstances {
  /** The pod's; its object need not have it yet. */
  readonly namespace: string;
  /** The namespace asks for all its pods. */
  readonly forced: boolean;
}

/** @throws UsvhostError USV_ANNOTATION: the pod cannot have what it wishes */
export function mutate(pod: Pod, { namespace, forced }: Circumstances, config: WebhookConfig): Operation[] {
  const annotations = pod.metadata?.annotations ?? {};
  const wish = readWish(annotations, { ...config, forced });
  const present = portsOf(pod, config);
  if (wish === undefined) return checkPorts(present, config, []);
  if (pod.spec.hostNetwork === true) {
    // The node's network is no pod's: who is only forced is left alone.
    if (forced && readWish(annotations, { ...config, forced: false }) === undefined) return [];
    throw usvError('USV_ANNOTATION', {
      what: 'a pod with annotations of usvhost.io',
      expected: 'a network of its own',
      got: 'hostNetwork: true',
    });
  }
  const { added, operations } =
    wish.endpoint === 'tap' ? giveSidecars(pod, wish, config) : giveResources(pod, wish, config);
  checkPorts(present + added, config, operations);
  return [...joinNetworks(pod, wish, namespace, config), ...operations];
}

/** Ports that the pod asks for as it is. */
function portsOf(pod: Pod, { resourceName }: WebhookConfig): number {
  // What is no plain number is the API server's to judge.
  return lastingContainers(pod).reduce((sum, each) => sum + (limitOf(each, resourceName) || 0), 0);
}

function checkPorts(ports: number, { maxPorts }: WebhookConfig, operations: Operation[]): Operation[] {
  if (ports <= maxPorts) return operations;
  throw usvError('USV_ANNOTATION', {
    what: 'all containers of the pod together',
    expected: `at most ${maxPorts} ports, which is all that a node has,`,
    got: String(ports),
  });
}

function joinNetworks(
  { metadata }: Pod,
  { networks }: Wish,
  namespace: string,
  { attach }: WebhookConfig,
): Operation[] {
  if (attach === 'chained') return [];
  const annotations = metadata?.annotations ?? undefined;
  const present = annotations?.[multusName];
  const merged = mergeNetworks(present, networks, namespace);
  if (merged === present) return [];
  if (metadata === undefined || metadata === null)
    return [add(['metadata'], { annotations: { [multusName]: merged } })];
  if (annotations === undefined) return [add(['metadata', 'annotations'], { [multusName]: merged })];
  return [add(['metadata', 'annotations', multusName], merged)];
}

interface Gift {
  /** Ports that the pod asks for after it and not before. */
  readonly added: number;
  readonly operations: Operation[];
}

function giveSidecars({ spec }: Pod, { networks }: Wish, config: WebhookConfig): Gift {
  const initContainers = spec.initContainers ?? [];
  const names = networks.map((_, index) => sidecarName(index));
  const missing = names.filter((name) => {
    const found = [...initContainers, ...spec.containers].find((each) => each.name === name);
    if (found === undefined) return true;
    // It is ours, of a pass before.
    if (found.restartPolicy === 'Always' && limitOf(found, config.resourceName) === 1) return false;
    throw usvError('USV_ANNOTATION', {
      what: 'a container of the pod',
      expected: 'a name other than those of the sidecars',
      got: quote(name),
    });
  });
  const sidecars = missing.map((name) => sidecar(name, config));
  const operations =
    initContainers.length === 0 && sidecars.length > 0
      ? [add(['spec', 'initContainers'], sidecars)]
      : sidecars.map((value) => add(['spec', 'initContainers', names.indexOf(value.name)], value));
  return { added: sidecars.length, operations };
}

function giveResources({ spec }: Pod, wish: Wish, config: WebhookConfig): Gift {
  const { container: name = spec.containers[0]?.name } = wish;
  const index = spec.containers.findIndex((each) => each.name === name);
  const container = spec.containers[index];
  if (container === undefined) {
    const expected = `one of ${spec.containers.map((each) => quote(each.name)).join(', ')}`;
    throw refusal('usvhost.io/container', expected, quote(name ?? ''));
  }
  const [resourceDomain] = config.resourceName.split('/');
  const wanted: Readonly<Record<string, string>> = {
    [config.resourceName]: String(wish.networks.length),
    ...Object.fromEntries(
      [...wish.slices].map(([slice, count]) => [`${resourceDomain}/${slice}`, String(count)]),
    ),
  };
  const before = limitOf(container, config.resourceName) || 0;
  return {
    added: wish.networks.length - before,
    operations: setAmounts(['spec', 'containers', index], container, wanted),
  };
}

function setAmounts(
  path: readonly (string | number)[],
  { name, resources }: Container,
  wanted: Readonly<Record<string, string>>,
): Operation[] {
  if (resources === undefined || resources === null)
    return [add([...path, 'resources'], { limits: wanted, requests: wanted })];
  return (['limits', 'requests'] as const).flatMap((kind) => {
    const present = resources[kind];
    if (present === undefined || present === null) return [add([...path, 'resources', kind], wanted)];
    return Object.entries(wanted).flatMap(([resource, amount]) => {
      const got = present[resource];
      if (got === undefined) return [add([...path, 'resources', kind, resource], amount)];
      if (String(got) === amount) return [];
      throw usvError('USV_ANNOTATION', {
        what: `${kind} of ${resource} in the container ${quote(name)}`,
        expected: `nothing, or ${amount} as the annotations say,`,
        got: String(got).slice(0, 30),
      });
    });
  });
}
