import { isPermanent, isQuorateError, QuorateError } from '../../errors.js';
import { Backoff, offAbort, onAbort, sharedController, sleep } from '../../runtime/index.js';
import type { Client, Session } from '../../session/index.js';
import { compare, get, type Key, type Op, put, remove, type TxnReply } from '../../store/index.js';
import { encodeMember } from '../member-record.js';
import { looksAt, looksAtCount, phaseOf, type SeenPhase, seenPhaseIn } from './phase.js';
import type { PhaserBoard } from './phaser-board.js';

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

  assertStands(): void {
    if (this.gone !== undefined) throw this.gone;
    this.session.assertLive();
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
  return await persist(board, givenUp, async () => {
    const session = await client.session({ signal: givenUp });
    const keys = Array.from({ length: count }, () => board.keys.member(client.runtime.newId()));
    const registered = await sendRegistration(board, session, keys);
    return registered && keys.map((key) => new Membership(board, key, session, registered));
  });
}

async function sendRegistration(
  { client, keys, learn }: PhaserBoard,
  session: Session,
  own: readonly Key[],
): Promise<Registered | undefined> {
  const value = encoded(client, session);
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
 * Lets members arrive that have not, all in one request. Answers the phase in which they have, the earliest if they were not in
 * the same one. One that has arrived in this phase already counts once; one whose last arrival nobody was told of has arrived.
 */
export async function arrive(
  board: PhaserBoard,
  members: readonly Membership[],
  givenUp: AbortSignal,
): Promise<number> {
  for (const member of members) member.assertStands();
  const untold = members.flatMap((member) => member.untold ?? []);
  const others = members.filter((member) => member.untold === undefined);
  if (others.length === 0) return Math.min(...untold);
  return Math.min(...untold, await arriveAnew(board, others, givenUp));
}

async function arriveAnew(
  board: PhaserBoard,
  members: readonly Membership[],
  givenUp: AbortSignal,
): Promise<number> {
  return await persist(board, givenUp, async () => {
    for (const member of members) member.assertStands();
    const phase = await sendArrival(board, members);
    if (phase !== undefined || members.length === 1) return phase;
    // Some of them may be gone, or may have arrived: each for itself.
    const phases: number[] = [];
    for (const member of members) phases.push(await arriveAnew(board, [member], givenUp));
    return Math.min(...phases);
  });
}

async function sendArrival(board: PhaserBoard, members: readonly Membership[]): Promise<number | undefined> {
  const { client, keys } = board;
  const sessions = [...new Set(members.map(({ session }) => session))];
  const [session] = sessions;
  const [first] = members;
  if (session === undefined || first === undefined) return undefined;
  const { signal } = session;
  const request = {
    compare: [
      ...sessions.map((one) => one.guard()),
      ...members.map(({ key, revision }) => compare.mod(key, 'equal', revision)),
      // One that has arrived before arrives again only after a phase has ended since.
      ...members
        .filter(({ hasArrived }) => hasArrived)
        .map(({ revision }) => compare.mod(keys.phase, 'greater', revision)),
    ],
    success: [
      ...members.map((one) => put(one.key, encoded(client, one.session), { lease: one.session.leaseId })),
      ...looksAt(keys, board.since),
    ],
    failure: [get(first.key, { keysOnly: true }), get(keys.phase)],
  };
  try {
    const reply = await client.store.txn(request, { signal, timeoutMs: Number.POSITIVE_INFINITY });
    if (!reply.succeeded) return await refused(board, members, reply);
    const seen = seenPhaseIn(reply.replies.slice(-looksAtCount), reply.revision);
    board.learn(seen.phaseKv, reply.revision);
    for (const member of members) noteArrival(member, seen.now.phase, reply.revision);
    for (const member of members) keepWatch(board, member, seen);
    return seen.now.phase;
  } catch (error) {
    if (!isQuorateError(error) || error.outcome !== 'unknown' || signal.aborted) throw error;
    const { replies, revision } = await insistOnReading(client, signal, [get(first.key), get(keys.phase)]);
    const [standing, phaseKv] = replies.map((reply) => (reply.type === 'range' ? reply.kvs[0] : undefined));
    board.learn(phaseKv, revision);
    if (standing === undefined || standing.modRevision === first.revision) return undefined;
    const at = standing.modRevision;
    const now = phaseOf(phaseKv);
    // No phase after its own can have ended without it.
    const phase = now.mod > at ? now.phase - 1 : now.phase;
    for (const member of members) noteArrival(member, phase, at);
    for (const member of members) keepWatch(board, member);
    return phase;
  }
}

function keepWatch(board: PhaserBoard, member: Membership, seen?: SeenPhase): void {
  const onGone = () => {
    // The session may have ended, which nobody has told yet.
    void member.session
      .verify({ signal: member.session.signal })
      .catch(() => {})
      .then(() => member.end(board, deletedError()));
  };
  board.arrived(member.key, { at: member.revision, onGone }, seen);
}

function noteArrival(member: Membership, phase: number, revision: number): void {
  member.phase = phase;
  member.revision = revision;
  member.hasArrived = true;
  member.untold = phase;
}

/** A single one that has arrived already is told so; else somebody has gone. */
async function refused(
  board: PhaserBoard,
  members: readonly Membership[],
  { replies, revision }: TxnReply,
): Promise<number | undefined> {
  const [member] = members;
  if (members.length > 1 || member === undefined) return undefined;
  const [standing, phaseKv] = replies.map((reply) => (reply.type === 'range' ? reply.kvs[0] : undefined));
  board.learn(phaseKv, revision);
  const now = phaseOf(phaseKv);
  const { session } = member;
  if (standing?.modRevision === member.revision && member.hasArrived && now.mod < member.revision) {
    return now.phase;
  }
  await session.verify({ signal: session.signal });
  member.assertStands();
  if (standing?.modRevision !== member.revision) {
    member.end(board, deletedError());
    member.assertStands();
  }
  return undefined;
}

function deletedError(): QuorateError {
  return new QuorateError('hold-lost', 'the registration at the phaser was deleted');
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
  return await persist(board, givenUp, async () => {
    member.assertStands();
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
      member.assertStands();
    }
    member.end(board, left, true);
    if (seen.registered > 0 || !undone) void board.concluded(seen);
    return seen.now.phase;
  });
}

function encoded(client: Client, session: Session): Uint8Array {
  return encodeMember({ session: session.id, label: client.label });
}

/** Tries again where that may help, until it is given up. */
async function persist<T>(
  { client }: PhaserBoard,
  givenUp: AbortSignal,
  attempt: () => Promise<T | undefined>,
): Promise<T> {
  const backoff = new Backoff(client.runtime, { firstMs: 10, longestMs: 1_000 });
  for (;;) {
    givenUp.throwIfAborted();
    try {
      const result = await attempt();
      if (result !== undefined) return result;
    } catch (error) {
      if (isPermanent(error) || isQuorateError(error, 'hold-lost')) throw error;
      if (isQuorateError(error, 'session-lost')) throw error;
      await sleep(client.runtime, backoff.nextMs(), { signal: givenUp }).catch(() => {});
    }
  }
}

async function insistOnReading(
  client: PhaserBoard['client'],
  signal: AbortSignal,
  success: readonly Op[],
): Promise<TxnReply> {
  const backoff = new Backoff(client.runtime, { firstMs: 10, longestMs: 1_000 });
  for (;;) {
    signal.throwIfAborted();
    try {
      return await client.store.txn({ compare: [], success, failure: [] }, { signal });
    } catch (error) {
      if (isPermanent(error)) throw error;
      await sleep(client.runtime, backoff.nextMs(), { signal }).catch(() => {});
    }
  }
}
