// SPDX-License-Identifier: Apache-2.0
//
// Memory slices from a real kubelet: files of the right size and of zeroes, whoever had them before, and a dataplane whose frames
// lie in them.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { clusterPeers } from '../../scripts/packages.ts';
import { groupNeeds } from '../support/need.ts';
import { chainedStage } from './chain.ts';
import { pod } from './pods.ts';
import { type Stage, stageMillis } from './stage.ts';
import { addressOf, reaches, talker } from './talk.ts';
import { undoAll } from './undo.ts';

/** No more than the huge pages that the cluster adds to the machine's. */
const slices = [
  { kind: 'shm', sizeMi: 64, count: 2 },
  { kind: 'hugepages', sizeMi: 64, count: 1 },
];
const ofShm = { limits: { 'usvhost.io/shm-64Mi': '1' } };
const ofHugePages = { limits: { 'usvhost.io/hugepages-64Mi': '1' } };
const bytes = String(64 << 20);

groupNeeds(...clusterPeers)('memory slices', () => {
  const undo: (() => Promise<unknown>)[] = [];
  let stage: Stage;

  beforeAll(async () => {
    const agent = { USVHOST_AGENT_SLICES: JSON.stringify(slices) };
    stage = await chainedStage((step) => undo.push(step), { agent });
    await stage.offers(2, 'usvhost.io/shm-64Mi');
    await stage.offers(1, 'usvhost.io/hugepages-64Mi');
  }, stageMillis);

  afterAll(async () => undoAll(undo), stageMillis);

  /** Runs a script in which $slice is the path of the pod's slice. */
  const withSlice = async (name: string, script: string): Promise<string> =>
    stage.exec(name, 'sh', '-c', `slice=$(ls -d /var/run/usvhost/mem/*); ${script}`);
  const contentOf = async (name: string): Promise<string> => withSlice(name, 'md5sum < "$slice"');

  test('are files of their size, of ordinary memory or of huge pages', async () => {
    await stage.apply(pod('ordinary', ofShm), pod('huge', ofHugePages));
    await Promise.all([stage.runs('ordinary'), stage.runs('huge')]);
    expect(await withSlice('ordinary', 'echo "$USVHOST_MEM_SHM_64MI"; stat -c %s "$slice"')).toMatch(
      new RegExp(`^/var/run/usvhost/mem/shm-64Mi-\\d\n${bytes}$`),
    );
    expect(await withSlice('huge', 'echo "$USVHOST_MEM_HUGEPAGES_64MI"; stat -c %s "$slice"')).toBe(
      `/var/run/usvhost/mem/hugepages-64Mi-0\n${bytes}`,
    );
    expect(await stage.exec('huge', 'cat', '/proc/mounts')).toMatch(/ \/run\/usvhost\/mem\/\S+ hugetlbfs /);
  }, 240_000);

  test('hold nothing of the pod before', async () => {
    const zeroes = await contentOf('ordinary');
    await stage.apply(pod('second', ofShm));
    await stage.runs('second');
    for (const name of ['ordinary', 'second'])
      await withSlice(name, 'yes secret | dd of="$slice" bs=1M count=64 iflag=fullblock conv=notrunc 2>&1');
    expect(await contentOf('second')).not.toBe(zeroes);
    await stage.remove('ordinary', 'second', 'huge');
    await stage.apply(pod('next', ofShm));
    await stage.runs('next');
    expect(await contentOf('next')).toBe(zeroes);
  }, 240_000);

  test('keep a pod waiting until there is one', async () => {
    await stage.apply(pod('last', ofShm));
    await stage.runs('last');
    await stage.apply(pod('late', ofShm));
    await stage.kubectl('wait', '--for=condition=PodScheduled=false', 'pod/late', '--timeout=60s');
    await stage.remove('last');
    await stage.runs('late');
    await stage.remove('next', 'late');
  }, 240_000);

  test('are memory of a dataplane', async () => {
    const left = { ...ofShm, flags: '--memory file:$USVHOST_MEM_SHM_64MI' };
    const right = { ...ofHugePages, flags: '--memory file:$USVHOST_MEM_HUGEPAGES_64MI' };
    await stage.apply(talker('left', left), talker('right', right));
    await Promise.all([stage.runs('left'), stage.runs('right')]);
    await reaches(stage, 'left', await addressOf(stage, 'right'));
    expect(await withSlice('left', 'grep -h " $(stat -c %i "$slice") " /proc/[0-9]*/maps')).toContain('rw-s');
    await stage.remove('left', 'right');
    await stage.nothingLeft();
  }, 240_000);
});
