import { isQuorateError, QuorateError } from '../../errors.js';
import { compare, get, put, type TxnReply } from '../../store/index.js';
import { encodeMember } from '../member-record.js';
import { insistOnReading, persist } from '../persist.js';
import { type Membership, memberIsOver } from './membership.js';
import { looksAt, looksAtCount, phaseOf, type SeenPhase, seenPhaseIn } from './phase.js';
import type { PhaserBoard } from './phaser-board.js';

/**
 * Lets members arrive that have not, all in one request. Answers the phase in which they have, the earliest if they were not in
 * the same one. One that has arrived in this phase already counts once; one whose last arrival nobody was told of has arrived.
 */
export async function arrive(
  board: PhaserBoard,
  members: readonly Membership[],
  givenUp: AbortSignal,
): Promise<number> {
  for (const member of members) await member.confirm();
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
  return await persist(
    board.client,
    givenUp,
    async () => {
      for (const member of members) await member.confirm();
      const phase = await sendArrival(board, members);
      if (phase !== undefined || members.length === 1) return phase;
      // Some of them may be gone, or may have arrived: each for itself.
      const phases: number[] = [];
      for (const member of members) phases.push(await arriveAnew(board, [member], givenUp));
      return Math.min(...phases);
    },
    memberIsOver,
  );
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
      ...members.map((one) =>
        put(one.key, encodeMember({ session: one.session.id, label: client.label }), {
          lease: one.session.leaseId,
        }),
      ),
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
  await member.confirm();
  if (standing?.modRevision !== member.revision) {
    member.end(board, deletedError());
    member.assertStands();
  }
  return undefined;
}

function deletedError(): QuorateError {
  return new QuorateError('hold-lost', 'the registration at the phaser was deleted');
}
