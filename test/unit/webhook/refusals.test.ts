// SPDX-License-Identifier: Apache-2.0
//
// Pods that are refused, and in which words.

import { expect, test } from '@jest/globals';
import { type How, multus, patchOf, podWith } from './support.ts';

const inject = { 'usvhost.io/inject': 'true' };
const socket = { ...inject, 'usvhost.io/endpoint': 'socket' };
const limited = (limit: string | number) => ({
  containers: [{ name: 'app', resources: { limits: { 'usvhost.io/port': limit } } }],
});

const refused: readonly (readonly [string, unknown, string, How?])[] = [
  [
    'inject',
    podWith({ 'usvhost.io/inject': 'yes' }),
    'expected "true" or "false" for the annotation usvhost.io/inject, got "yes"',
  ],
  [
    'endpoint',
    podWith({ ...inject, 'usvhost.io/endpoint': 'tun' }),
    'expected "tap" or "socket" for the annotation usvhost.io/endpoint, got "tun"',
  ],
  [
    'a name that is none',
    podWith({ ...inject, 'usvhost.io/network': 'a' }),
    'expected inject, networks, endpoint, container, shm-<n>Mi or hugepages-<n>Mi after usvhost.io/ for the annotation "usvhost.io/network", got an unknown name',
  ],
  [
    'an annotation alone',
    podWith({ 'usvhost.io/endpoint': 'tap' }),
    'expected usvhost.io/inject or usvhost.io/networks beside it for the annotation usvhost.io/endpoint, got neither',
  ],
  [
    'no network',
    podWith({ 'usvhost.io/networks': '' }),
    'expected NAME, NAMESPACE/NAME or NAME@INTERFACE of a-z, 0-9 and - for the annotation usvhost.io/networks, got ""',
  ],
  ['a network too few', podWith({ 'usvhost.io/networks': 'a,,b' }), 'got ""'],
  ['an upper-case letter', podWith({ 'usvhost.io/networks': 'Fast' }), 'got "Fast"'],
  ['two slashes', podWith({ 'usvhost.io/networks': 'a/b/c' }), 'got "a/b/c"'],
  ['an empty interface', podWith({ 'usvhost.io/networks': 'a@' }), 'got "a@"'],
  ['JSON', podWith({ 'usvhost.io/networks': '[{"name":"a"}]' }), String.raw`got "[{\"name\":\"a\"}]"`],
  [
    'a long interface',
    podWith({ 'usvhost.io/networks': 'a@abcdefghijklmnop' }),
    'expected an interface of at most 15 characters other than lo, eth0, mem for the annotation usvhost.io/networks, got "abcdefghijklmnop"',
  ],
  ["the cluster network's interface", podWith({ 'usvhost.io/networks': 'a@eth0' }), 'got "eth0"'],
  [
    'an interface twice',
    podWith({ 'usvhost.io/networks': 'a@x,b@x' }),
    'expected each interface once for the annotation usvhost.io/networks, got "x" twice',
  ],
  [
    'an interface that another network has',
    podWith({ 'usvhost.io/networks': 'a@x', [multus]: 'b@x' }),
    'expected the interface x for one network for the annotation k8s.v1.cni.cncf.io/networks, got another network with it',
  ],
  [
    "Multus' annotation",
    podWith({ ...inject, [multus]: '{"name":"a"}' }),
    'expected a JSON list of objects with a name for the annotation k8s.v1.cni.cncf.io/networks',
  ],
  [
    "JSON of Multus' that is none",
    podWith({ ...inject, [multus]: '[' }),
    'expected a JSON list of objects with a name',
  ],
  [
    'networks in chained mode',
    podWith({ 'usvhost.io/networks': 'a' }),
    'expected usvhost.io/inject: "true" instead, since this cluster has one network of usvhost for all pods, for the annotation usvhost.io/networks, got "a"',
    { config: { attach: 'chained' } },
  ],
  [
    'slices for a sidecar',
    podWith({ ...inject, 'usvhost.io/shm-64Mi': '1' }),
    'expected "socket" because of usvhost.io/shm-64Mi for the annotation usvhost.io/endpoint, got "tap"',
  ],
  [
    'a container for a sidecar',
    podWith({ ...inject, 'usvhost.io/container': 'app' }),
    'expected "socket" because of usvhost.io/container',
  ],
  [
    'a count of slices',
    podWith({ ...socket, 'usvhost.io/shm-64Mi': '0' }),
    'expected a number from "1" to "1024" for the annotation usvhost.io/shm-64Mi, got "0"',
  ],
  ['too many slices', podWith({ ...socket, 'usvhost.io/shm-64Mi': '1025' }), 'got "1025"'],
  [
    'a container that is not there',
    podWith({ ...socket, 'usvhost.io/container': 'db' }),
    'expected one of "app" for the annotation usvhost.io/container, got "db"',
  ],
  [
    'another count of ports in the container',
    podWith(socket, limited(2)),
    'expected nothing, or 1 as the annotations say, for limits of usvhost.io/port in the container "app", got 2',
  ],
  [
    "the sidecar's name",
    podWith(inject, { containers: [{ name: 'usvhost-1' }] }),
    'expected a name other than those of the sidecars for a container of the pod, got "usvhost-1"',
  ],
  [
    "the node's network",
    podWith(inject, { hostNetwork: true }),
    'expected a network of its own for a pod with annotations of usvhost.io, got hostNetwork: true',
  ],
  [
    'more networks than a node has ports',
    podWith({ 'usvhost.io/networks': 'a,a,a,a,a,a,a,a,a' }),
    'expected at most 8 networks, the ports of a node, for the annotation usvhost.io/networks, got 9',
  ],
  [
    'more ports than a node has',
    podWith({}, limited(9)),
    'expected at most 8 ports, which is all that a node has, for all containers of the pod together, got 9',
  ],
  [
    'more ports together with its own',
    podWith(inject, limited('8')),
    'for all containers of the pod together, got 9',
  ],
];

test.each(refused)('refused: %s', (_, pod, words, how = {}) => {
  expect(() => patchOf(pod, how)).toThrow(
    expect.objectContaining({ code: 'USV_ANNOTATION', message: expect.stringContaining(words) }),
  );
});

test('an endless value does not make an endless message', () => {
  const pod = podWith({ 'usvhost.io/inject': 'x'.repeat(200_000) });
  expect(() => patchOf(pod)).toThrow(
    expect.objectContaining({ message: expect.stringMatching(/^.{1,300}$/) }),
  );
});
