import { describe, expect, it } from 'vitest';
import { Place } from '../../../src/line/index.js';
import { WeightAdmission } from '../../../src/locks/semaphore/weight-admission.js';
import type { Session } from '../../../src/session/index.js';
import { bytesOf, type Key, type KeyEvent, type KeyValue } from '../../../src/store/index.js';

const cfg = 's/cfg';
const me = 's/l/me.1.2';

function kvOf(key: Key, createRevision: number, value = '', modRevision = createRevision): KeyValue {
  return { key, value: bytesOf(value), createRevision, modRevision, version: 1, lease: '0' };
}

function limitOf(limit: string, revision: number): KeyEvent {
  return { type: 'put', kv: kvOf(cfg, 1, limit, revision) };
}

function gone(key: Key, revision: number): KeyEvent {
  return { type: 'delete', kv: kvOf(key, 0, '', revision) };
}

/** All keys of the line, in the state of a revision. */
function present(limit: KeyEvent, older: readonly Key[]): ReadonlyMap<Key, KeyValue> {
  const kvs = [limit.kv, kvOf(me, 10), ...older.map((key, index) => kvOf(key, 2 + index))];
  return new Map(kvs.map((kv) => [kv.key, kv]));
}

/** A place of weight 2, taken at 10, with these before it. */
function placeBehind(older: readonly Key[], limit: string) {
  const admission = new WeightAdmission(cfg, 2);
  admission.seen(present(limitOf(limit, 1), older), 10);
  const { signal } = new AbortController();
  const place = new Place({
    ...{ claims: [{ key: me, created: 10, revision: 10 }], revision: 10, asOf: 10, admission },
    session: { signal } as unknown as Session,
    older: new Map(older.map((key, index) => [key, 2 + index])),
  });
  return { place, admission };
}

describe('WeightAdmission', () => {
  it('admits at once where all weights are within the limit, and not where they are not', () => {
    expect(placeBehind(['s/l/a.1.1', 's/l/b.1.3'], '6').place.state).toMatchObject({ revision: 10 });
    expect(placeBehind(['s/l/a.1.1', 's/l/b.1.3'], '5').place.state.status).toBe('waiting');
    expect(placeBehind(['s/l/a.1.1', 's/l/b.1.1', 's/l/c.1.1'], '4').place.state.status).toBe('waiting');
    expect(placeBehind([], '2').place.state).toMatchObject({ revision: 10 });
  });

  it('knows of nobody who is admitted where the limit cannot be read', () => {
    for (const limit of ['', 'six', '-6', '1e3', '0x6', '9'.repeat(30)]) {
      expect(placeBehind([], limit).place.state.status).toBe('waiting');
    }
    expect(placeBehind([], ' 6\n').place.state.status).toBe('admitted');
  });

  it('tells one whose weight alone is above the limit', () => {
    expect(placeBehind([], '1').admission.isTooHeavy).toBe(true);
    expect(placeBehind([], '2').admission.isTooHeavy).toBe(false);
    expect(placeBehind([], 'none').admission.isTooHeavy).toBe(false);
  });

  it('SEMAPHORE-1 takes what one revision did to limit and line for one step', () => {
    const { place } = placeBehind(['s/l/a.1.3'], '4');
    place.apply([gone('s/l/a.1.3', 12), limitOf('1', 12)], 12, true);
    expect(place.state.status).toBe('waiting');
    place.apply([limitOf('2', 13)], 13, true);
    expect(place.state).toEqual({ status: 'admitted', revision: 13 });
  });

  it('SEMAPHORE-1 keeps the newest that it knows of the limit, whatever tells it later', () => {
    const { place, admission } = placeBehind(['s/l/a.1.3'], '4');
    place.apply([limitOf('1', 14)], 14, true);
    place.see(present(limitOf('9', 12), ['s/l/a.1.3']), 12, true);
    expect(admission.known).toEqual({ limit: 1, writtenAt: 14, asOf: 14 });
    place.apply([gone('s/l/a.1.3', 15)], 15, true);
    expect(place.state.status).toBe('waiting');
  });

  it('SEMAPHORE-1 learns from a read what a cut has hidden, though the read proves nothing', () => {
    const { place } = placeBehind(['s/l/a.1.3', 's/l/b.1.1'], '4');
    // Cut: the limit was made 1 at 12. The watch opens from 13 on, and the read is answered after the event of 15.
    place.apply([gone('s/l/a.1.3', 15)], 15, false);
    place.see(present(limitOf('1', 12), ['s/l/a.1.3', 's/l/b.1.1']), 14, true);
    place.apply([gone('s/l/b.1.1', 16)], 16, true);
    expect(place.state.status).toBe('waiting');
    place.apply([limitOf('3', 17)], 17, true);
    expect(place.state).toEqual({ status: 'admitted', revision: 17 });
  });

  it('says when the limit became another, and only then', () => {
    const { place, admission } = placeBehind(['s/l/a.1.3'], '4');
    const limits: (number | undefined)[] = [];
    admission.onLimit = () => limits.push(admission.known.limit);
    place.apply([gone('s/l/other.1.3', 11)], 11, true);
    place.apply([limitOf('3', 12)], 12, true);
    place.see(present(limitOf('3', 12), ['s/l/a.1.3']), 13, true);
    place.apply([gone(cfg, 14)], 14, true);
    expect(limits).toEqual([3, undefined]);
  });
});
