import { describe, expect, it } from 'vitest';
import { Choice } from '../../../src/queues/dispatch/choice/choice.js';
import type { Choosable, Stand } from '../../../src/queues/dispatch/choice/choosable.js';
import type { ItemTraits } from '../../../src/queues/records/index.js';

/** Jobs named by one letter, which is their place in the queue. */
class Jobs {
  readonly #jobs = new Map<string, Choosable>();
  readonly choice = new Choice((id) => this.#jobs.get(id));

  add(id: string, traits?: ItemTraits, stand: Stand = 'ready'): void {
    const job: Choosable = { id, traits };
    this.#jobs.set(id, job);
    this.choice.moved(job, stand);
  }

  move(id: string, stand: Stand | undefined): void {
    const job = this.#jobs.get(id);
    if (job === undefined) throw new Error(`there is no job ${id}`);
    this.choice.moved(job, stand);
    if (stand === undefined) this.#jobs.delete(id);
  }

  /** Gives out all that may go. */
  give(most = 100): string {
    let given = '';
    for (let job = this.choice.first(); job !== undefined; job = this.choice.first()) {
      if (given.length === most) break;
      given += job.id;
      this.move(job.id, 'in-hand');
    }
    return given;
  }
}

describe('the choice of the next job', () => {
  it('QUEUE-4 gives out in queue order what no rule holds back', () => {
    const jobs = new Jobs();
    for (const id of 'cadb') jobs.add(id);
    expect(jobs.give()).toBe('abcd');
  });

  it('QUEUE-10 gives out one of a key at a time, in order, and others meanwhile', () => {
    const jobs = new Jobs();
    for (const id of 'ace') jobs.add(id, { key: 'k' });
    for (const id of 'bd') jobs.add(id, { key: 'l' });
    jobs.add('f');
    expect(jobs.give()).toBe('abf');
    jobs.move('b', undefined);
    expect(jobs.give()).toBe('d');
    jobs.move('a', undefined);
    expect(jobs.give()).toBe('c');
  });

  it('QUEUE-10 lets nothing of a key pass a job that waits for its retry', () => {
    const jobs = new Jobs();
    for (const id of 'ab') jobs.add(id, { key: 'k' });
    expect(jobs.give()).toBe('a');
    jobs.move('a', 'delayed');
    expect(jobs.give()).toBe('');
    jobs.move('a', 'ready');
    expect(jobs.give()).toBe('a');
    jobs.move('a', undefined);
    expect(jobs.give()).toBe('b');
  });

  it('QUEUE-10 puts a job that came late and belongs before others in its place', () => {
    const jobs = new Jobs();
    for (const id of 'bc') jobs.add(id, { key: 'k' });
    jobs.add('a', { key: 'k' });
    expect(jobs.give()).toBe('a');
    jobs.move('a', undefined);
    jobs.move('b', undefined);
    expect(jobs.give()).toBe('c');
  });

  it('QUEUE-11 gives out no more of a group than its limit, in order', () => {
    const jobs = new Jobs();
    jobs.choice.setGroupLimits((group) => (group === 'g' ? 2 : Number.POSITIVE_INFINITY));
    for (const id of 'bcde') jobs.add(id, { group: 'g' });
    for (const id of 'xy') jobs.add(id, { group: 'h' });
    expect(jobs.give()).toBe('bcxy');
    jobs.add('a', { group: 'g' });
    jobs.add('f', { group: 'g' });
    jobs.move('c', undefined);
    expect(jobs.give()).toBe('a');
    jobs.move('b', 'ready');
    expect(jobs.give()).toBe('b');
    jobs.move('a', 'delayed');
    jobs.move('b', undefined);
    expect(jobs.give()).toBe('de');
  });

  it('QUEUE-11 follows limits that rise and fall', () => {
    const jobs = new Jobs();
    let limit = 2;
    const change = (to: number) => {
      limit = to;
      jobs.choice.setGroupLimits(() => limit);
    };
    change(2);
    for (const id of 'abcdef') jobs.add(id, { group: 'g' });
    expect(jobs.give()).toBe('ab');
    change(1);
    jobs.move('a', undefined);
    expect(jobs.give()).toBe('');
    jobs.move('b', undefined);
    expect(jobs.give()).toBe('c');
    change(0);
    jobs.move('c', undefined);
    expect(jobs.give()).toBe('');
    change(3);
    expect(jobs.give()).toBe('def');
  });

  it('QUEUE-10 QUEUE-11 counts a job against its group only once its key lets it go', () => {
    const jobs = new Jobs();
    jobs.choice.setGroupLimits(() => 1);
    jobs.add('a', { key: 'k', group: 'g' });
    jobs.add('b', { key: 'k', group: 'g' });
    jobs.add('c', { key: 'l', group: 'g' });
    expect(jobs.give()).toBe('a');
    jobs.move('a', 'delayed');
    expect(jobs.give()).toBe('c');
    jobs.move('a', 'ready');
    expect(jobs.give()).toBe('');
    jobs.move('c', undefined);
    expect(jobs.give()).toBe('a');
  });

  it('does what a search through all jobs would, whatever happens to them', () => {
    let seed = 5;
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return Math.floor((seed / 2_147_483_648) * below);
    };
    const jobs = new Jobs();
    const all = new Map<string, { key?: string; group?: string; stand: Stand }>();
    const limits = [1, 2, 0];
    const limitOf = (group: string) => limits[Number(group)] ?? 0;
    jobs.choice.setGroupLimits(limitOf);
    const inHand = (of: (one: { key?: string; group?: string }) => boolean) =>
      [...all.values()].filter((one) => one.stand === 'in-hand' && of(one)).length;
    const expected = () =>
      [...all]
        .filter(([, { stand }]) => stand === 'ready')
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .find(([id, { key, group }]) => {
          const before = [...all].some(
            ([other, one]) => key !== undefined && one.key === key && (other < id || one.stand === 'in-hand'),
          );
          return !before && (group === undefined || inHand((one) => one.group === group) < limitOf(group));
        })?.[0];
    for (let step = 0; step < 6_000; step += 1) {
      const ids = [...all.keys()];
      const id = ids[random(ids.length)];
      const what = random(10);
      if (id === undefined || (what < 4 && all.size < 40)) {
        // An id never comes back with another key.
        const fresh = `${String(random(1_000)).padStart(3, '0')}-${step}`;
        const traits = {
          ...(random(3) > 0 ? { key: String(random(4)) } : {}),
          ...(random(3) > 0 ? { group: String(random(3)) } : {}),
        };
        const stand = random(6) === 0 ? 'delayed' : 'ready';
        all.set(fresh, { ...traits, stand });
        jobs.add(fresh, traits, stand);
      } else if (what < 6) {
        const next = jobs.choice.first()?.id;
        expect(next).toBe(expected());
        const job = next === undefined ? undefined : all.get(next);
        if (next === undefined || job === undefined) continue;
        job.stand = 'in-hand';
        jobs.move(next, 'in-hand');
      } else if (what < 7) {
        limits[random(3)] = random(4);
        jobs.choice.setGroupLimits(limitOf);
      } else if (what < 9) {
        all.delete(id);
        jobs.move(id, undefined);
      } else {
        const stand = random(2) === 0 ? 'ready' : 'delayed';
        const job = all.get(id);
        if (job === undefined) continue;
        job.stand = stand;
        jobs.move(id, stand);
      }
    }
  });

  it('looks at no blocked job twice: 20,000 of them cost an assignment no more than a few', () => {
    const blocked = (count: number) => {
      let looks = 0;
      const known = new Map<string, Choosable>();
      const choice = new Choice((id) => {
        looks += 1;
        return known.get(id);
      });
      choice.setGroupLimits(() => 1);
      const add = (job: Choosable) => {
        known.set(job.id, job);
        choice.moved(job, 'ready');
      };
      for (let n = 0; n < count; n += 1) {
        add({ id: `a${String(n).padStart(6, '0')}`, traits: n % 2 === 0 ? { key: 'k' } : { group: 'g' } });
      }
      for (let n = 0; n < 100; n += 1) add({ id: `b${String(n).padStart(6, '0')}` });
      looks = 0;
      for (let job = choice.first(); job !== undefined; job = choice.first()) choice.moved(job, 'in-hand');
      return looks;
    };
    expect(blocked(20_000)).toBe(blocked(20));
  });
});
