// SPDX-License-Identifier: Apache-2.0
//
// A watcher's view is right in the end, however slowly it reads, and costs a bounded amount of memory.

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Watcher, WatchHub, type WatchSink } from '../../../switch/watch.ts';

/** A reader whose stream takes `room` events before it is full; keeps the view that the events tell. */
class Reader implements WatchSink<number> {
  readonly truth: ReadonlyMap<string, number>;
  readonly log: string[] = [];
  view = new Map<string, number>();
  room: number;
  ended = false;

  constructor(truth: ReadonlyMap<string, number>, room: number) {
    this.truth = truth;
    this.room = room;
  }

  #written(text: string): boolean {
    this.log.push(text);
    this.room -= 1;
    return this.room > 0;
  }

  snapshot(): boolean {
    this.view = new Map(this.truth);
    return this.#written('snapshot');
  }

  change({ name, value }: { readonly name: string; readonly value: number | undefined }): boolean {
    if (value === undefined) this.view.delete(name);
    else this.view.set(name, value);
    return this.#written(`${name}=${value ?? 'gone'}`);
  }

  end(): void {
    this.ended = true;
  }
}

function world(maxPending: number) {
  const truth = new Map<string, number>();
  const hub = new WatchHub<number>({ maxPending });
  const set = (name: string, value: number | undefined): void => {
    if (value === undefined) truth.delete(name);
    else truth.set(name, value);
    hub.publish({ name, value, reason: '' });
  };
  const read = (room: number): { reader: Reader; watcher: Watcher } => {
    const reader = new Reader(truth, room);
    return { reader, watcher: hub.add(reader) };
  };
  return { truth, hub, set, read };
}

describe('WatchHub', () => {
  test('sends the snapshot first, then each change', () => {
    const { set, read } = world(8);
    set('a', 1);
    const { reader } = read(100);
    set('b', 1);
    set('a', undefined);
    expect(reader.log).toEqual(['snapshot', 'b=1', 'a=gone']);
  });

  test('keeps the newest of each port for a full reader, in the order of the last changes', () => {
    const { set, read } = world(8);
    const { reader, watcher } = read(1);
    for (const value of [1, 2, 3]) {
      set('a', value);
      set('b', value);
    }
    set('a', undefined);
    expect(reader.log).toEqual(['snapshot']);
    reader.room = 100;
    watcher.drained();
    expect(reader.log).toEqual(['snapshot', 'b=3', 'a=gone']);
  });

  test('never keeps more than its bound; then one snapshot replaces all', () => {
    const { set, read } = world(4);
    const { reader, watcher } = read(1);
    for (let index = 0; index < 10_000; index++) {
      set(`p${index}`, index);
      set(`p${index}`, index % 1000 === 0 ? index : undefined);
      expect(watcher.pending).toBeLessThanOrEqual(4);
    }
    reader.room = 100;
    watcher.drained();
    expect(reader.log).toEqual(['snapshot', 'snapshot']);
    expect(reader.view.size).toBe(10);
    set('z', 1);
    expect(reader.log).toHaveLength(3);
  });

  test('one that does not read holds nobody up', () => {
    const { set, read } = world(4);
    read(1);
    const { reader } = read(100);
    set('a', 1);
    set('a', 2);
    expect(reader.log).toEqual(['snapshot', 'a=1', 'a=2']);
  });

  test('nothing is written to a watcher that left, nor after the end', () => {
    const { hub, set, read } = world(4);
    const left = read(100);
    const stays = read(100);
    left.watcher.leave();
    expect(hub.size).toBe(1);
    set('a', 1);
    hub.close();
    set('a', 2);
    left.watcher.drained();
    stays.watcher.drained();
    expect([left.reader.log, left.reader.ended]).toEqual([['snapshot'], false]);
    expect([stays.reader.log, stays.reader.ended]).toEqual([['snapshot', 'a=1'], true]);
  });

  test('any mix of changes and drains ends in the true view', () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
    const change = fc.record({ name, value: fc.option(fc.nat(9), { nil: undefined }) });
    const drain = fc.record({ room: fc.integer({ min: 1, max: 3 }) });
    fc.assert(
      fc.property(fc.array(fc.oneof(change, drain)), fc.integer({ min: 1, max: 4 }), (steps, maxPending) => {
        const { truth, set, read } = world(maxPending);
        const { reader, watcher } = read(1);
        for (const step of steps) {
          if ('name' in step) set(step.name, step.value);
          else {
            reader.room = step.room;
            watcher.drained();
          }
        }
        reader.room = 1000;
        watcher.drained();
        expect([...reader.view].sort()).toEqual([...truth].sort());
      }),
    );
  });
});
