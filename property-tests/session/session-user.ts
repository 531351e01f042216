import { isQuorateError } from '../../src/errors.js';
import { sleep } from '../../src/runtime/index.js';
import { Client, type Session } from '../../src/session/index.js';
import type { ProcessContext } from '../../src/simulator/index.js';
import { get, put, remove } from '../../src/store/index.js';
import type { Beside } from './beside.js';
import type { Seat } from './seat.js';
import type { SeenSession } from './seen-session.js';
import type { Stage } from './stage.js';
import type { Step } from './workload.js';

const retryMs = 100;
const askAgainMs = 400;

/** What may become of an opening in a cluster that is ill. */
const passing = ['unreachable', 'no-space', 'timeout', 'unavailable'] as const;

/** What one incarnation of a process does: its script, and then no more than to keep a session. */
export class SessionUser {
  readonly #stage: Stage;
  readonly #context: ProcessContext;
  readonly #seat: Seat;
  #client: Client | undefined;
  #beside: Beside | undefined;

  constructor(stage: Stage, context: ProcessContext, seat: Seat) {
    this.#stage = stage;
    this.#context = context;
    this.#seat = seat;
  }

  /** The process's whole life. */
  async live(script: readonly Step[]): Promise<void> {
    await this.#open();
    for (const step of script) await this.#do(step);
    while (!this.#stage.isStopping) {
      await this.#sharedSession();
      await this.#pause(askAgainMs);
    }
    await this.#close();
  }

  async #open(): Promise<void> {
    const { ttlMs } = this.#stage.workload;
    const beside = this.#seat.startBeside();
    const leaseRenewer = beside && { leaseRenewer: beside.renewer };
    this.#beside = beside;
    for (;;) {
      try {
        this.#client = await Client.open({
          store: { ...this.#seat.leases.store, ...leaseRenewer },
          ...{ runtime: this.#seat.clocks.runtime, label: this.#seat.name },
          ...{ ttlMs, ...this.#seat.bounds, connectTimeoutMs: 3_000 },
        });
        return;
      } catch (error) {
        await this.#passOver(error);
      }
    }
  }

  async #close(): Promise<void> {
    for (const seen of this.#seat.sessions) {
      seen.isAbandoned = true;
      seen.closed ||= !seen.isLost;
    }
    await this.#client?.close();
    await this.#beside?.renewer.close();
    for (const seen of this.#seat.sessions) this.#checkClosed(seen);
    this.#seat.isClosed = true;
  }

  async #do(step: Step): Promise<void> {
    switch (step.do) {
      case 'hold': {
        await this.#sharedSession();
        await this.#pause(step.ms);
        return;
      }
      case 'crowd':
        return this.#askAtOnce(step.ms);
      case 'own':
        return this.#openOwn(step);
      case 'close': {
        const seen = await this.#sharedSession();
        seen.closed = true;
        await seen.session.close();
        this.#checkClosed(seen);
        return;
      }
      case 'reopen': {
        await this.#close();
        this.#seat.isClosed = false;
        await this.#open();
        return;
      }
      case 'revoked': {
        const seen = await this.#sharedSession();
        seen.endedByOthers = true;
        await this.#stage.operator.leaseRevoke(seen.session.leaseId).catch(() => {});
        await this.#pause(step.ms);
        return;
      }
      case 'unanchored': {
        const seen = await this.#sharedSession();
        seen.endedByOthers = true;
        await this.#stage.operator
          .txn({ compare: [], success: [remove(seen.session.anchor)], failure: [] })
          .catch(() => {});
        await this.#writeGuarded(seen);
        await this.#pause(step.ms);
        return;
      }
      case 'doze':
      case 'freeze': {
        const untilMs = this.#seat.nowMs + this.#stage.workload.ttlMs;
        await this.#sharedSession();
        this.#seat.troubles = step;
        while (this.#seat.nowMs < untilMs) {
          await this.#pause(retryMs);
          await this.#sharedSession();
        }
        return;
      }
      case 'block': {
        await this.#sharedSession();
        await this.#seat.block(step.ms);
        return;
      }
      case 'unthread':
        this.#beside?.crash();
        return;
      case 'write':
        return this.#writeGuarded(await this.#sharedSession());
    }
  }

  /** SESSION-11: a new one only after the loss of the last, and a live one. */
  async #sharedSession(): Promise<SeenSession> {
    for (;;) {
      try {
        return this.#take(await this.#opened.session());
      } catch (error) {
        await this.#passOver(error);
      }
    }
  }

  #take(session: Session): SeenSession {
    const before = this.#seat.shared;
    const seen = this.#seat.see(session);
    this.#seat.shared = seen;
    if (before !== undefined && before !== seen) {
      if (!before.isLost)
        this.#stage.failWith('SESSION-11', `${before} is not lost, and yet ${seen} was opened`);
      this.#seat.reached('opened anew after a loss');
    }
    if (!session.isLive()) this.#stage.failWith('SESSION-11', `${seen} was handed out, and is not live`);
    return seen;
  }

  /** SESSION-10: all get one session, or one error, but for whom gives up. */
  async #askAtOnce(timeoutMs: number): Promise<void> {
    const client = this.#opened;
    const isStanding = this.#seat.shared?.session.isLive() === true;
    const [first, second, third] = await Promise.allSettled([
      client.session(),
      client.session(),
      client.session({ timeoutMs }),
    ]);
    if (first.status === 'fulfilled') this.#seat.guarded(() => this.#take(first.value));
    const told = (result: PromiseSettledResult<Session>) =>
      result.status === 'fulfilled' ? result.value : (result.reason as unknown);
    if (told(first) !== told(second))
      this.#stage.failWith('SESSION-10', `two callers of ${this.#seat.name} at one time were told apart`);
    if (third.status === 'fulfilled' || !isQuorateError(third.reason, 'timeout')) {
      if (told(third) !== told(first))
        this.#stage.failWith('SESSION-10', `three callers of ${this.#seat.name} at one time were told apart`);
    } else if (first.status === 'fulfilled') this.#seat.reached('a caller gave up an opening for itself');
    if (!isStanding && first.status === 'fulfilled')
      this.#seat.reached('callers at the same time shared an opening');
    if (first.status === 'rejected') await this.#passOver(first.reason);
  }

  async #openOwn({ ms, ttlMs, timeoutMs }: Extract<Step, { do: 'own' }>): Promise<void> {
    try {
      const session = await this.#opened.openSession({ ttlMs, ...(timeoutMs === 0 ? {} : { timeoutMs }) });
      const seen = this.#seat.see(session);
      await this.#pause(ms);
      seen.closed ||= !seen.isLost;
      await session.close();
      this.#checkClosed(seen);
    } catch (error) {
      if (isQuorateError(error, 'timeout')) this.#seat.reached('an opening was given up');
      await this.#passOver(error);
    }
  }

  /** SESSION-8: it is over, and the lease was not left to its TTL. */
  #checkClosed(seen: SeenSession): void {
    const { session, closed } = seen;
    if (!seen.isLost || session.isLive())
      this.#stage.failWith('SESSION-8', `${seen} is live after its closing`);
    const isRevoked = this.#seat.leases.of(session.leaseId)?.revokedAt.length !== 0;
    if (closed && session.state.status === 'lost' && session.state.reason === 'closed' && !isRevoked) {
      this.#stage.failWith('SESSION-8', `${seen} was closed, and its lease was never revoked`);
    }
  }

  /** A write that the store refuses a lost session. Refused: ask whether it is lost. */
  async #writeGuarded(seen: SeenSession): Promise<void> {
    const { session } = seen;
    const key = `result/${this.#seat.name}`;
    try {
      const reply = await this.#opened.store.txn(
        { compare: [session.guard()], success: [put(key, 'x')], failure: [get(key)] },
        { timeoutMs: 2_000 },
      );
      if (reply.succeeded) return;
      this.#seat.reached('a guarded write of a lost session was refused');
      const verified = await session.verify({ timeoutMs: 2_000 });
      if (verified) this.#stage.failWith('SESSION-4', `${seen} was refused by its guard, and verified`);
    } catch (error) {
      // Applied, with a reply that was lost together with the history that would tell it: then nothing is known here.
      if (!isQuorateError(error, 'compacted')) await this.#passOver(error);
    }
  }

  get #opened(): Client {
    if (this.#client === undefined) throw new Error('a client is opened first');
    return this.#client;
  }

  async #passOver(error: unknown): Promise<void> {
    if (!passing.some((code) => isQuorateError(error, code))) throw error;
    await this.#pause(retryMs);
  }

  #pause(ms: number): Promise<void> {
    return sleep(this.#context.runtime, ms);
  }
}
