import { isQuorateError, QuorateError } from '../../errors.js';
import { offAbort, onAbort, sharedController } from '../../runtime/index.js';
import type { Session } from '../../session/index.js';
import { compare, get, type Key, put, remove } from '../../store/index.js';
import { encodeMember } from '../member-record.js';
import { insistOnReading, persist } from '../persist.js';
import { looksAt, looksAtCount, phaseOf, seenPhaseIn } from './phase.js';
import type { PhaserBoard } from './phaser-board.js';

/** What ends the attempts of a member. */
export const memberIsOver = ['hold-lost', 'session-lost'] as const;

/** One key among the members, and what this process knows of it. */
export class Membership {
  readonly key: Key;
  readonly session: Session;
  /** The phase in which it arrived last, or registered. */
  phase: number;
  hasArrived = false;
  /** The phase of an arrival that no caller was told of yet: the next call goes on with it, and does not arrive again. */
  untold: number | undefined;
  /** Of its last arrival, or its registration: guards it. */
  revision: number;
  /** Why it is a member no more. */
  gone: QuorateError | undefined;
  readonly #lost = sharedController();
  /** What is asked of it is done one after the other. Never rejects. */
  #last: Promise<unknown> = Promise.resolve();
  readonly #unhook: () => void;

  constructor(board: PhaserBoard, key: Key, session: Session, registered: Registered) {
    const { signal } = session;
    this.key = key;
    this.session = session;
    this.phase = registered.phase;
    this.revision = registered.revision;
    const lost = () => this.end(board, signal.reason);
    this.#unhook = () => offAbort(signal, lost);
    if (signal.aborted) lost();
    else onAbort(signal, lost);
  }

  /** Fires when it is a member no more, but for its own leaving. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  end(board: PhaserBoard, error: QuorateError, hasLeft = false): void {
    this.gone ??= error;
    if (!hasLeft) this.#lost.abort(error);
    this.#unhook();
    board.gone(this.key);
  }

  /** Throws what ended it. After a pause the clock may know first: ask {@link confirm} then. */
  assertStands(): void {
    if (this.gone !== undefined) throw this.gone;
    this.session.assertLive();
  }

  /** Rejects with what ended it. After a pause it is waited for the decision, since what stood still may go on. */
  async confirm(): Promise<void> {
    if (this.gone === undefined) await this.session.settled();
    this.assertStands();
  }

  /** Does something with all of them, once what was asked for before is done. */
  static inTurn<T>(members: readonly Membership[], work: () => Promise<T>): Promise<T> {
    const result = Promise.all(members.map((member) => member.#last)).then(work);
    const settled = result.catch(() => {});
    for (const member of members) member.#last = settled;
    return result;
  }
}

export interface Registered {
  readonly phase: number;
  readonly revision: number;
}

/** Registers so many members in one request, each waited for from this very phase on. */
export async function register(
  board: PhaserBoard,
  count: number,
  givenUp: AbortSignal,
): Promise<readonly Membership[]> {
  const { client } = board;
  return await persist(
    board.client,
    givenUp,
    async () => {
      const session = await client.session({ signal: givenUp });
      const keys = Array.from({ length: count }, () => board.keys.member(client.runtime.newId()));
      const registered = await sendRegistration(board, session, keys);
      return registered && keys.map((key) => new Membership(board, key, session, registered));
    },
    memberIsOver,
  );
}

async function sendRegistration(
  { client, keys, learn }: PhaserBoard,
  session: Session,
  own: readonly Key[],
): Promise<Registered | undefined> {
  const value = encodeMember({ session: session.id, label: client.label });
  const { signal } = session;
  const options = { signal, timeoutMs: Number.POSITIVE_INFINITY };
  const puts = own.map((key) => put(key, value, { lease: session.leaseId }));
  try {
    const { succeeded, replies, revision } = await client.store.txn(
      { compare: [session.guard()], success: [...puts, get(keys.phase)], failure: [] },
      options,
    );
    if (!succeeded) {
      await session.verify({ signal });
      return undefined;
    }
    const last = replies.at(-1);
    const kv = last?.type === 'range' ? last.kvs[0] : undefined;
    learn(kv, revision);
    return { phase: phaseOf(kv).phase, revision };
  } catch (error) {
    if (!isQuorateError(error) || error.outcome !== 'unknown' || signal.aborted) throw error;
    // Settled, and nobody can tell how: what stands came of it. Without it, no phase can have ended since.
    const [first = ''] = own;
    const { replies, revision } = await insistOnReading(client, signal, [get(first), get(keys.phase)]);
    const [standing, phase] = replies.map((reply) => (reply.type === 'range' ? reply.kvs[0] : undefined));
    learn(phase, revision);
    return standing && { phase: phaseOf(phase).phase, revision: standing.modRevision };
  }
}

/**
 * Arrives and leaves in one. Answers the phase that the member does not keep waiting any more. One that is `undone` was never
 * there: if nobody else is, no phase ends by it.
 */
export async function deregister(
  board: PhaserBoard,
  member: Membership,
  givenUp: AbortSignal,
  undone = false,
): Promise<number> {
  const { client, keys } = board;
  const { key, session } = member;
  const left = new QuorateError('hold-lost', 'the member has left the phaser');
  return await persist(
    board.client,
    givenUp,
    async () => {
      await member.confirm();
      const { succeeded, replies, revision } = await client.store.txn(
        {
          compare: [compare.mod(key, 'equal', member.revision)],
          success: [remove(key), ...looksAt(keys, board.since)],
          failure: looksAt(keys, board.since),
        },
        { signal: session.signal, timeoutMs: Number.POSITIVE_INFINITY },
      );
      const seen = seenPhaseIn(replies.slice(-looksAtCount), revision);
      board.learn(seen.phaseKv, revision);
      if (!succeeded) {
        await session.verify({ signal: session.signal });
        await member.confirm();
      }
      member.end(board, left, true);
      if (seen.registered > 0 || !undone) void board.concluded(seen);
      return seen.now.phase;
    },
    memberIsOver,
  );
}
