import { describe, expect, it } from 'vitest';
import { checkSession, type SeenSession, type SessionCheck } from '../../src/checkers/index.js';
import { brokenBy, evidenceOf, Story } from './story.js';

const anchor = 'session/s/anchor';

/** The anchor and another key of the lease, which ends at 100 ms. */
function ended(): Story {
  const story = new Story();
  story.at(10).put(anchor, '', '7');
  story.at(20).put('held', '', '7');
  story.at(100).remove(anchor, 'held');
  return story;
}
const seen: SeenSession = { process: 'p1', leaseId: '7', anchor, openedAtMs: 12, lostAtMs: 90 };

function check(session: SeenSession, change: Partial<SessionCheck> = {}) {
  return () => checkSession({ history: ended().history(), sessions: [session], ...change });
}

describe('checkSession', () => {
  it('counts what it checked', () => {
    expect(check(seen, { abortMs: 10, drained: true })()).toEqual({
      sessions: 1,
      ended: 1,
      compared: 1,
      lost: 1,
    });
  });

  it('SESSION-1 the loss comes before the keys go, by the time to abort', () => {
    expect(brokenBy(check({ ...seen, lostAtMs: 101 }))).toBe('SESSION-1');
    expect(brokenBy(check(seen, { abortMs: 11 }))).toBe('SESSION-1');
    expect(brokenBy(check({ ...seen, lostAtMs: 100 }))).toBe('nothing');
    const { lostAtMs: _, ...unaware } = seen;
    expect(brokenBy(check(unaware))).toBe('SESSION-1');
    expect(evidenceOf(check({ ...seen, lostAtMs: 101 }))).toBe(
      'the session of p1 on lease 7, opened at 12 ms: its anchor was session/s/anchor (created at revision 2 [10 ms], ' +
        'on lease 7, deleted at revision 4 [100 ms]); it took itself for lost at 101 ms',
    );
  });

  it('SESSION-1 a process that stood still did nothing with what it took for its own', () => {
    const late = { ...seen, lostAtMs: 150 };
    expect(brokenBy(check(late, { standstills: [{ process: 'p1', fromMs: 80, toMs: 150 }] }))).toBe(
      'nothing',
    );
    expect(brokenBy(check(late, { standstills: [{ process: 'p1', fromMs: 80, toMs: 149 }] }))).toBe(
      'SESSION-1',
    );
    expect(brokenBy(check(late, { standstills: [{ process: 'p2', fromMs: 80, toMs: 150 }] }))).toBe(
      'SESSION-1',
    );
    const { lostAtMs: _, ...crashed } = seen;
    expect(brokenBy(check(crashed, { standstills: [{ process: 'p1', fromMs: 80 }] }))).toBe('nothing');
  });

  it('excuses what others ended, and compares nothing where there are no times', () => {
    expect(check({ ...seen, lostAtMs: 101, endedByOthers: true })()).toMatchObject({ ended: 1, compared: 0 });
    const story = new Story();
    story.put(anchor, '', '7');
    story.remove(anchor);
    const history = story.history();
    expect(check({ ...seen, lostAtMs: 101 }, { history })()).toMatchObject({ ended: 1, compared: 0 });
  });

  it('looks at the session of this lease alone, and not at one whose anchor stands', () => {
    expect(check({ ...seen, leaseId: '8', lostAtMs: 101 })()).toMatchObject({ ended: 0 });
    const story = new Story();
    story.at(1).put(anchor, '', '7');
    const { lostAtMs: _, ...live } = seen;
    expect(check(live, { history: story.history(), drained: true })()).toMatchObject({ ended: 0, lost: 0 });
  });

  it('SESSION-8 a session that is over leaves no key, once that had time', () => {
    const story = ended();
    story.put('left', '', '7');
    const history = story.history();
    expect(brokenBy(check(seen, { history, drained: true }))).toBe('SESSION-8');
    expect(brokenBy(check(seen, { history }))).toBe('nothing');
  });
});
