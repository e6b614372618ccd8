// SPDX-License-Identifier: Apache-2.0
//
// What a pod's annotations make of it, and that a second pass finds nothing to do.

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { UsvhostError } from '../../../lib/errors.ts';
import { applied, type How, multus, patchOf, podWith } from './support.ts';

/** The pod as it becomes, after a look that a second pass leaves it alone. */
function mutated(pod: unknown, how: How = {}): any {
  const result = applied(pod, patchOf(pod, how));
  expect(patchOf(result, how)).toEqual([]);
  return result;
}

const sidecars = (pod: any): string[] => (pod.spec.initContainers ?? []).map(({ name }: any) => name);
const port = { 'usvhost.io/port': '1' };

test('a pod with inject gets a sidecar, its port and the default network, and nothing else is changed', () => {
  const pod = podWith({ 'usvhost.io/inject': 'true' });
  const { metadata, spec, ...rest } = mutated(pod);
  expect(rest).toEqual({ apiVersion: 'v1', kind: 'Pod' });
  expect(metadata.annotations).toEqual({ 'usvhost.io/inject': 'true', [multus]: 'usvhost' });
  expect(spec.containers).toEqual(pod.spec.containers);
  expect(spec.initContainers).toEqual([
    {
      name: 'usvhost-1',
      image: 'registry.example/usvhost:1',
      imagePullPolicy: 'IfNotPresent',
      restartPolicy: 'Always',
      command: [
        'usvhost',
        'dataplane',
        '--port',
        'net_virtio_user0,path=/var/run/usvhost',
        '--ready-socket',
        '@usvhost-1',
      ],
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 65_532,
        runAsGroup: 65_532,
        allowPrivilegeEscalation: false,
        privileged: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
        seccompProfile: { type: 'RuntimeDefault' },
      },
      lifecycle: {
        postStart: {
          exec: { command: ['/usvhost/build/native/usvhost', 'ready', '@usvhost-1', '120000'] },
        },
      },
      resources: {
        requests: { cpu: '10m', memory: '64Mi', ...port },
        limits: { memory: '128Mi', ...port },
      },
    },
  ]);
});

test('resource limits come from the configuration', () => {
  const settings = {
    cpuRequest: '1',
    cpuLimit: '2',
    memoryRequest: '1Gi',
    memoryLimit: '2Gi',
    resourceName: 'a.b/c',
  };
  const [{ resources }] = mutated(podWith({ 'usvhost.io/inject': 'true' }), { config: settings }).spec
    .initContainers;
  expect(resources).toEqual({
    requests: { cpu: '1', memory: '1Gi', 'a.b/c': '1' },
    limits: { cpu: '2', memory: '2Gi', 'a.b/c': '1' },
  });
});

test('each network has a port and a sidecar, before the init containers that are there', () => {
  const spec = { initContainers: [{ name: 'migrate' }] };
  const pod = mutated(podWith({ 'usvhost.io/networks': 'fast, storage@net2,other/slow' }, spec));
  expect(sidecars(pod)).toEqual(['usvhost-1', 'usvhost-2', 'usvhost-3', 'migrate']);
  expect(pod.metadata.annotations[multus]).toBe('fast,storage@net2,other/slow');
});

test.each([
  ['nothing', undefined, 'fast,storage@s0'],
  ['nothing but the annotation', '', 'fast,storage@s0'],
  ['others', 'a, b/c@d', 'a,b/c@d,fast,storage@s0'],
  ['one of them', 'storage@s0,a', 'storage@s0,a,fast'],
  ['one of them with an interface of the pod', 'fast@x', 'fast@x,storage@s0'],
  ['one of them with its namespace', 'shop/fast', 'shop/fast,storage@s0'],
  ['the same name in another namespace', 'yard/fast', 'yard/fast,fast,storage@s0'],
  ['the same network with another interface', 'storage@s1', 'storage@s1,fast,storage@s0'],
  ['both, in another order and with spaces', ' storage@s0 , fast', ' storage@s0 , fast'],
  ['an empty list of JSON', '[]', '[{"name":"fast"},{"name":"storage","interface":"s0"}]'],
  [
    'others in JSON, with what we do not know',
    '[{"name":"fast","ips":["10.0.0.1/24"]}]',
    '[{"name":"fast","ips":["10.0.0.1/24"]},{"name":"storage","interface":"s0"}]',
  ],
  [
    'both in JSON',
    '[ {"name":"fast","namespace":"shop"}, {"name":"storage","interface":"s0"} ]',
    '[ {"name":"fast","namespace":"shop"}, {"name":"storage","interface":"s0"} ]',
  ],
])("Multus' annotation has %s", (_, present, merged) => {
  const networks = { 'usvhost.io/networks': 'fast,storage@s0' };
  const pod = mutated(podWith(present === undefined ? networks : { ...networks, [multus]: present }));
  expect(pod.metadata.annotations[multus]).toBe(merged);
});

test('the same network twice is two ports', () => {
  const pod = mutated(podWith({ 'usvhost.io/networks': 'fast,fast,fast@b', [multus]: 'fast' }));
  expect(pod.metadata.annotations[multus]).toBe('fast,fast,fast@b');
  expect(sidecars(pod)).toHaveLength(3);
});

test('in chained mode there is a sidecar and no network', () => {
  const pod = mutated(podWith({ 'usvhost.io/inject': 'true' }), { config: { attach: 'chained' } });
  expect(pod.metadata.annotations).toEqual({ 'usvhost.io/inject': 'true' });
  expect(sidecars(pod)).toEqual(['usvhost-1']);
});

describe('endpoint socket', () => {
  const annotations = { 'usvhost.io/networks': 'a,b', 'usvhost.io/endpoint': 'socket' };
  const two = { 'usvhost.io/port': '2' };

  test('the first container has the ports, and there is no sidecar', () => {
    const pod = mutated(podWith(annotations));
    expect(pod.spec).toEqual({
      containers: [{ name: 'app', image: 'app', resources: { limits: two, requests: two } }],
    });
  });

  test('another container, slices, and amounts of its own', () => {
    const own = { limits: { cpu: '1', 'usvhost.io/port': 2 } };
    const spec = { containers: [{ name: 'app' }, { name: 'dpdk', resources: own }] };
    const more = {
      'usvhost.io/container': 'dpdk',
      'usvhost.io/shm-64Mi': '3',
      'usvhost.io/hugepages-2Mi': '1',
    };
    const slices = { 'usvhost.io/shm-64Mi': '3', 'usvhost.io/hugepages-2Mi': '1' };
    const pod = mutated(podWith({ ...annotations, ...more }, spec));
    expect(pod.spec.containers).toEqual([
      { name: 'app' },
      {
        name: 'dpdk',
        resources: { limits: { cpu: '1', 'usvhost.io/port': 2, ...slices }, requests: { ...two, ...slices } },
      },
    ]);
  });

  test.each([undefined, null])('resources that are %s', (resources) => {
    const pod = mutated(podWith(annotations, { containers: [{ name: 'app', resources }] }));
    expect(pod.spec.containers[0].resources).toEqual({ limits: two, requests: two });
  });
});

describe('a namespace that asks for all its pods', () => {
  const forced = { forced: true };

  test('gives a sidecar to a pod without annotations', () => {
    const pod = mutated({ spec: { containers: [{ name: 'app' }] } }, forced);
    expect(pod.metadata.annotations).toEqual({ [multus]: 'usvhost' });
    expect(sidecars(pod)).toEqual(['usvhost-1']);
  });

  test.each([null, undefined])('and annotations that are %s', (annotations) => {
    const pod = mutated({ metadata: { annotations }, spec: { containers: [] } }, forced);
    expect(pod.metadata.annotations).toEqual({ [multus]: 'usvhost' });
  });

  test('takes endpoint alone as a wish', () => {
    const pod = mutated(podWith({ 'usvhost.io/endpoint': 'socket' }), forced);
    expect(pod.spec.containers[0].resources.limits).toEqual(port);
  });

  test('leaves a pod alone that says no, or has the network of the node', () => {
    expect(patchOf(podWith({ 'usvhost.io/inject': 'false' }), forced)).toEqual([]);
    expect(patchOf(podWith({}, { hostNetwork: true }), forced)).toEqual([]);
  });
});

test.each([
  ['no annotations', podWith({})],
  ['those of others', podWith({ 'example.org/inject': 'true', [multus]: 'fast' })],
  [
    'inject that is false, whatever else',
    podWith({ 'usvhost.io/inject': 'false', 'usvhost.io/networks': '!' }),
  ],
  ['a port of its own', podWith({}, { containers: [{ name: 'app', resources: { limits: port } }] })],
])('a pod with %s is left alone', (_, pod) => {
  expect(patchOf(pod)).toEqual([]);
});

const name = fc.stringMatching(/^[a-c]$/);
const networkText = fc
  .tuple(fc.option(name), name, fc.option(fc.stringMatching(/^[x-z]$/)))
  .map(
    ([namespace, own, ifname]) => `${namespace ? `${namespace}/` : ''}${own}${ifname ? `@${ifname}` : ''}`,
  );
const networkElement = fc.record(
  { name, namespace: name, interface: fc.stringMatching(/^[x-z]$/), mac: fc.string() },
  { requiredKeys: ['name'] },
);
const anyContainer = fc.record(
  {
    name: fc.constantFrom('app', 'db', 'usvhost-1', 'usvhost-2'),
    restartPolicy: fc.constantFrom('Always', null),
    resources: fc.option(
      fc.record(
        {
          limits: fc.option(fc.constant({ cpu: '1' })),
          requests: fc.option(fc.constant({ 'usvhost.io/port': 1 })),
        },
        { requiredKeys: [] },
      ),
    ),
  },
  { requiredKeys: ['name'] },
);
const anyPod = fc.record({
  metadata: fc.record({
    annotations: fc.record(
      {
        'usvhost.io/inject': fc.constantFrom('true', 'false'),
        'usvhost.io/networks': fc
          .array(networkText, { minLength: 1, maxLength: 5 })
          .map((list) => list.join(',')),
        'usvhost.io/endpoint': fc.constantFrom('tap', 'socket'),
        'usvhost.io/shm-64Mi': fc.constantFrom('1', '2'),
        [multus]: fc.oneof(
          fc.array(networkText, { maxLength: 4 }).map((list) => list.join(', ')),
          fc.array(networkElement, { maxLength: 4 }).map((list) => JSON.stringify(list)),
        ),
      },
      { requiredKeys: [] },
    ),
  }),
  spec: fc.record(
    {
      initContainers: fc.option(fc.array(anyContainer, { maxLength: 3 })),
      containers: fc.array(anyContainer, { minLength: 1, maxLength: 3 }),
    },
    { requiredKeys: ['containers'] },
  ),
});

test('whatever the pod: a patch that fits, and none for the second time; or a refusal', () => {
  let patched = 0;
  fc.assert(
    fc.property(anyPod, fc.boolean(), (pod, forced) => {
      let operations: ReturnType<typeof patchOf>;
      try {
        operations = patchOf(pod, { forced });
      } catch (error) {
        expect(error).toBeInstanceOf(UsvhostError);
        expect(error).toMatchObject({ code: 'USV_ANNOTATION' });
        return;
      }
      if (operations.length > 0) patched++;
      const result = applied(pod, operations);
      expect(patchOf(result, { forced })).toEqual([]);
      // Nothing that was there is gone.
      for (const { name: present } of pod.spec.containers)
        expect(result.spec.containers.map((each: any) => each.name)).toContain(present);
    }),
    { numRuns: 1000 },
  );
  expect(patched).toBeGreaterThan(50);
});
