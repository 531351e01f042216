import { describe, expect, it } from 'vitest';
import { healthy, type SessionState, transition } from '../../src/session/state.js';

const overdue: SessionState = { status: 'suspect', reason: 'renewal-overdue', since: 5 };

describe('transition', () => {
  it('keeps the very same state where nothing changes', () => {
    expect(transition(healthy, { type: 'renewed' }, 9)).toBe(healthy);
    expect(transition(overdue, { type: 'doubted', reason: 'renewal-overdue' }, 9)).toBe(overdue);
  });

  it('lets a doubt grow, keep its beginning, and never shrink but by a renewal', () => {
    const cause = new Error('cut');
    const failed = transition(overdue, { type: 'doubted', reason: 'renewal-failed', cause }, 9);
    expect(failed).toEqual({ status: 'suspect', reason: 'renewal-failed', since: 5, cause });
    expect(transition(failed, { type: 'doubted', reason: 'renewal-overdue' }, 10)).toBe(failed);
    const stalled = transition(failed, { type: 'doubted', reason: 'stalled' }, 11);
    expect(stalled).toEqual({ status: 'suspect', reason: 'stalled', since: 5 });
    expect(transition(stalled, { type: 'renewed' }, 12)).toBe(healthy);
  });

  it('SESSION-3 never leaves lost', () => {
    const lost = transition(overdue, { type: 'ended', reason: 'deadline' }, 9);
    expect(lost).toEqual({ status: 'lost', reason: 'deadline', since: 9 });
    expect(transition(lost, { type: 'renewed' }, 10)).toBe(lost);
    expect(transition(lost, { type: 'doubted', reason: 'stalled' }, 10)).toBe(lost);
    expect(transition(lost, { type: 'ended', reason: 'closed' }, 10)).toBe(lost);
  });
});
