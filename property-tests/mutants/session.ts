/** Known bugs of sessions, leases and their keepers. */
import type { Mutant } from './mutant.js';

const keeper = 'src/session/keeper.ts';
const loopRenewer = 'src/store/loop-renewer.ts';
const killedBy = 'session';

export const sessionMutants: readonly Mutant[] = [
  {
    name: 'deadline-from-receipt',
    file: loopRenewer,
    find: 'this.#acknowledge({ sentAt, ttlMs: ttlSeconds * 1_000 });',
    replace: 'this.#acknowledge({ sentAt: clock.now(), ttlMs: ttlSeconds * 1_000 });',
    story: 'npm etcd3 counts from the receipt of the reply',
    killedBy,
    invariant: 'SESSION-1 SESSION-5',
  },
  {
    name: 'requested-ttl',
    file: 'src/session/open-session.ts',
    find: 'return { leaseId, renewal: { sentAt, ttlMs: grant.ttlSeconds * 1_000 } };',
    replace: 'return { leaseId, renewal: { sentAt, ttlMs: ttlSeconds * 1_000 } };',
    story: 'npm etcd3 counts the TTL that it asked for, not the one that was granted',
    killedBy,
    invariant: 'SESSION-1 SESSION-2 SESSION-5',
  },
  {
    name: 'no-margin',
    file: 'src/session/deadline.ts',
    find: 'return ttlMs - marginMs(ttlMs, bounds);',
    replace: 'return ttlMs;',
    story: 'a lease held until its TTL is over, with no time left to stop',
    killedBy,
    invariant: 'SESSION-1 SESSION-5',
  },
  {
    name: 'no-clock-rates',
    file: 'src/session/deadline.ts',
    find: 'return ttlMs - marginMs(ttlMs, bounds);',
    replace: 'return ttlMs - bounds.abortMs;',
    story: 'redlock takes all clocks to run alike',
    killedBy,
    invariant: 'SESSION-1 SESSION-5',
  },
  {
    name: 'monotonic-clock-alone',
    file: 'src/runtime/age-clock.ts',
    find: `    return Math.max(
      now.elapsedMs - since.elapsedMs,
      now.monotonicMs - since.monotonicMs,
      now.wallMs - since.wallMs,
    );`,
    replace: '    return now.monotonicMs - since.monotonicMs;',
    story: 'the monotonic clock of Linux stands still while the machine sleeps',
    killedBy,
    invariant: 'SESSION-1 SESSION-5',
  },
  {
    name: 'step-back-hides-a-sleep',
    file: 'src/runtime/elapsed.ts',
    find: '} else if (aheadMs < this.#aheadMs - jitterMs) this.#aheadMs = aheadMs;',
    replace: '}',
    story:
      'our own: a step of the wall clock back, and then a sleep, which it hides (docs/sessions.md, clocks)',
    killedBy,
    invariant: 'SESSION-1',
  },
  {
    name: 'deadline-timer-not-set-anew',
    file: keeper,
    find: `    if (!this.isLive()) return;
    this.#arm();`,
    replace: `    if (!this.isLive()) return;
    this.#armTick();`,
    story: 'our own: after a short sleep of the machine the timer for the deadline was late by as much',
    killedBy,
    invariant: 'SESSION-1',
  },
  {
    name: 'timer-trusted',
    file: keeper,
    find: `    if (this.remainingMs() > 0) return true;
    this.#decide();
    return false;`,
    replace: `    if (this.remainingMs() === 0) this.#decide();
    return true;`,
    story: 'client-go: IsLeader() takes what was observed last and ignores time',
    killedBy,
    invariant: 'SESSION-1 SESSION-5',
  },
  {
    name: 'stall-decided-at-once',
    file: keeper,
    find: 'this.#deciding = this.#options.runtime.nextTurn().then(() => {',
    replace: 'this.#deciding = Promise.resolve().then(() => {',
    story: 'a deadline timer runs before the acknowledgement that is in the socket already, 20 times of 20',
    killedBy,
    invariant: 'SESSION-6',
  },
  {
    name: 'ttl-zero-ignored',
    file: keeper,
    find: `      this.#apply({ type: 'ended', reason: 'lease-gone' });
      return;`,
    replace: '      return;',
    story: 'microsoft/etcd3 #13 and consul #18271: the loss of the lease is not noticed',
    killedBy,
    invariant: 'SESSION-4',
  },
  {
    name: 'lost-in-silence',
    file: keeper,
    find: 'this.#lost.abort(',
    replace: 'Array.of(',
    story: 'npm etcd3: where a keep-alive fails, the lease is closed and nobody is told that it is lost',
    killedBy,
    invariant: 'SESSION-3 SESSION-8, not live',
  },
  {
    name: 'revoked-at-once',
    file: 'src/session/session.ts',
    find: '      delayMs: marginMs,',
    replace: '      delayMs: 0,',
    story: 'kubernetes PR 139504: the lease is given back before the guarded work has ended',
    killedBy,
    invariant: 'SESSION-9',
  },
  {
    name: 'never-revoked',
    file: 'src/session/session.ts',
    find: "    if (reason === 'closed' || reason === 'lease-gone') return;",
    replace: '    if (reason !== undefined) return;',
    story: 'redisson #7272: renewals outlive the hold, and others wait for nobody',
    killedBy,
    invariant: 'SESSION-9 SESSION-8',
  },
  {
    name: 'reply-of-another-send',
    file: loopRenewer,
    find: 'this.#acknowledge({ sentAt, ttlMs: ttlSeconds * 1_000 });',
    replace: 'this.#acknowledge({ sentAt: this.#unacknowledged ?? sentAt, ttlMs: ttlSeconds * 1_000 });',
    story: 'replies of one stream of keep-alives not paired with their sends after a cut',
    killedBy,
    invariant: 'SESSION-1 SESSION-5',
  },
  {
    name: 'grant-by-a-new-id',
    file: 'src/session/open-session.ts',
    find: "if (isQuorateError(error) && error.outcome === 'unknown') maybeGranted = true;",
    replace:
      "if (isQuorateError(error) && error.outcome === 'unknown') leaseId = leaseIdOf(runtime.newId());",
    story: 'a grant whose reply was lost leaves a lease, where the server chooses the id',
    killedBy,
    invariant: 'SESSION-7',
  },
  {
    name: 'opening-not-shared',
    file: 'src/session/client.ts',
    find: 'if (this.#opening === undefined) {',
    replace: 'if (this.#shared === undefined || this.#opening === undefined) {',
    story: 'a pool without single flight: each of many callers at a start opens a connection of its own',
    killedBy,
    invariant: 'SESSION-10 SESSION-11',
  },
  {
    name: 'doubt-taken-for-loss',
    file: 'src/session/client.ts',
    find: '    await this.#shared?.settled();\n',
    replace: '',
    story: 'Curator keeps SUSPENDED and LOST apart for this: a second session beside a standing one',
    killedBy,
    invariant: 'SESSION-11',
  },
  {
    name: 'lease-left-at-closing',
    file: 'src/session/session.ts',
    find: '    if (await revokeLease(store, runtime, leaseId, within)) return;',
    replace: '    if (within !== undefined) return;',
    story: 'Curator had to make deletes guaranteed: what was let go of stays until its TTL is over',
    killedBy,
    invariant: 'SESSION-8',
  },
];
