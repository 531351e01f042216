import { invalidArgument, isQuorateError } from '../../errors.js';
import type { Session } from '../../session/index.js';
import { compare, get, type Op, type OpReply, put, remove, type TxnRequest } from '../../store/index.js';
import { encodeMember } from '../member-record.js';
import { persist } from '../persist.js';
import type { Board } from './board.js';
import { lastOf } from './elect.js';
import { broken, encodeGeneration, fateOf, type Generation } from './generation.js';
import { type CyclicKit, insist } from './kit.js';
import type { Member } from './members.js';
import type { CyclicPassage } from './options.js';
import { isDeserted, looks, looksCount, type Seen, seenIn } from './seen.js';
import { brokenError, type Outcome, Waiting } from './waiting.js';

/** One call that arrives and waits: from the request that says so to what came of its generation. */
export class Attempt {
  readonly #kit: CyclicKit;
  readonly #board: Board;
  /** Fires with what the caller was told when it waits no more. */
  readonly #givenUp: AbortSignal;

  constructor(kit: CyclicKit, board: Board, givenUp: AbortSignal) {
    this.#kit = kit;
    this.#board = board;
    this.#givenUp = givenUp;
  }

  async run(): Promise<CyclicPassage> {
    for (;;) {
      const wait = await this.#arrive();
      const outcome = await this.#endOf(wait);
      if (outcome === undefined) {
        await this.#withdraw(wait);
        throw this.#givenUp.reason;
      }
      if (outcome.status === 'gone') {
        const { session } = wait.member;
        this.#board.members.drop(wait.member);
        await session.verify({ signal: session.signal }).catch(() => {});
        await session.settled();
        session.assertLive();
        continue;
      }
      if (outcome.status === 'failed') {
        void this.#withdraw(wait);
        throw outcome.error;
      }
      this.#board.members.give(wait.member);
      const { generation } = outcome;
      if (outcome.status === 'broken') throw brokenError(this.#kit.name, outcome, wait.failure);
      return { generation, ranAction: wait.ranAction };
    }
  }

  /** Undefined: it was given up first. */
  async #endOf(wait: Waiting): Promise<Outcome | undefined> {
    const signal = this.#givenUp;
    if (signal.aborted) return undefined;
    let off = () => {};
    const fired = new Promise<undefined>((resolve) => {
      const fire = () => resolve(undefined);
      signal.addEventListener('abort', fire, { once: true });
      off = () => signal.removeEventListener('abort', fire);
    });
    return await Promise.race([wait.ended, fired]).finally(off);
  }

  /** Tries until it has arrived, is given up, or is told that it cannot. */
  async #arrive(): Promise<Waiting> {
    const { client } = this.#kit;
    const signal = this.#givenUp;
    const attempt = async () => this.#tryToArrive(await client.session({ signal }));
    // What changed may stay in the way: an elect, say, whose key stands and whose member somebody has deleted.
    return await persist(client, signal, attempt, ['barrier-broken']);
  }

  /** Undefined where something has changed meanwhile. */
  async #tryToArrive(session: Session): Promise<Waiting | undefined> {
    const { members } = this.#board;
    const own = members.take(session);
    try {
      const now = await this.#generation(own);
      return now && (await this.#send(session, now, own));
    } catch (error) {
      if (own !== undefined) members.give(own);
      throw error;
    }
  }

  /** The generation as it is known, or read where it must be: by one who comes anew, and before it is called broken. */
  async #generation(own: Member | undefined): Promise<Generation | undefined> {
    const board = this.#board;
    let { now } = board;
    const mayBeDeserted = own === undefined && !board.members.hasLive;
    if (now === undefined || now.mod === 0 || mayBeDeserted || now.broken !== undefined) {
      const seen = await board.read(this.#givenUp);
      if (isDeserted(seen)) {
        await board.revive(seen, this.#givenUp);
        if (own !== undefined) board.members.give(own);
        return undefined;
      }
      now = seen.now;
    }
    this.#checkSame(now);
    if (now.broken !== undefined) throw brokenError(this.#kit.name, now);
    return now;
  }

  #checkSame({ parties, deadMembers }: Generation): void {
    const { name, settings } = this.#kit;
    if (parties === settings.parties && deadMembers === settings.deadMembers) return;
    throw invalidArgument(
      `the barrier ${JSON.stringify(name)} has parties ${parties} and deadMembers '${deadMembers}'`,
      `the same for all who use it, not ${settings.parties} and '${settings.deadMembers}'`,
    );
  }

  async #send(session: Session, now: Generation, own: Member | undefined): Promise<Waiting | undefined> {
    const { client, keys } = this.#kit;
    const key = own?.key ?? keys.member(client.runtime.newId());
    const value = encodeMember({ session: session.id, label: client.label });
    const puts: Op[] = [put(key, value, { lease: session.leaseId })];
    if (own === undefined) puts.push(put(keys.joins, ''));
    if (now.created === 0) puts.push(put(keys.generation, encodeGeneration(now)));
    const request = {
      compare: [
        compare.create(keys.generation, 'equal', now.created),
        session.guard(),
        own === undefined ? compare.create(key, 'equal', 0) : compare.mod(key, 'equal', own.revision),
      ],
      success: [...puts, ...looks(keys, now.since)],
      failure: [get(key, { keysOnly: true }), get(keys.generation)],
    };
    try {
      const { signal } = session;
      const options = { signal, timeoutMs: Number.POSITIVE_INFINITY };
      const { succeeded, revision, replies } = await client.store.txn(request, options);
      if (!succeeded) {
        await this.#refused(session, own, replies, revision);
        return undefined;
      }
      const seen = seenIn(replies.slice(-looksCount), revision, this.#kit.settings);
      this.#board.learn(seen.generationKv, revision);
      return this.#arrived({ key, session, revision }, seen);
    } catch (error) {
      if (!isQuorateError(error) || error.outcome !== 'unknown' || session.signal.aborted) throw error;
      const found = await this.#find({ key, session, revision: own?.revision ?? 0 });
      if (found !== undefined) return this.#arrived(found);
      if (own !== undefined) this.#board.members.give(own);
      return undefined;
    }
  }

  #arrived(member: Member, seen?: Seen): Waiting {
    const wait = new Waiting(member, this.#givenUp);
    this.#board.add(wait, seen);
    return wait;
  }

  /** Its key had been deleted, or the session is over, or what is stored of the barrier is another one now. */
  async #refused(
    session: Session,
    own: Member | undefined,
    replies: readonly OpReply[],
    revision: number,
  ): Promise<void> {
    const [standing] = replies;
    const kv = standing?.type === 'range' ? standing.kvs[0] : undefined;
    if (own !== undefined && kv?.modRevision === own.revision) this.#board.members.give(own);
    this.#board.learn(lastOf(replies), revision);
    await session.verify({ signal: session.signal });
  }

  /** Nobody can tell what became of the request, but that it is settled: what stands under the key came of it. */
  async #find(before: Member): Promise<Member | undefined> {
    const { client } = this.#kit;
    const { key, session, revision } = before;
    const { signal } = session;
    const { kvs } = await persist(client, signal, () =>
      client.store.range({ key, keysOnly: true }, { signal }),
    );
    const [kv] = kvs;
    return kv !== undefined && kv.modRevision > revision
      ? { key, session, revision: kv.modRevision }
      : undefined;
  }

  /**
   * Takes it back, as a member too. By the policy `break` that breaks its generation, in the same revision, unless that is
   * decided already. An action that runs for it is waited for: its end is the end of the generation.
   */
  async #withdraw(wait: Waiting): Promise<void> {
    const { client, keys } = this.#kit;
    const { member } = wait;
    this.#board.remove(wait);
    this.#board.members.drop(member);
    await wait.electing;
    const own = compare.mod(member.key, 'equal', member.revision);
    const leaving = [remove(member.key), put(keys.leaves, '')];
    let isDecided = false;
    for (;;) {
      const { now } = this.#board;
      const breaks =
        !isDecided && now?.deadMembers === 'break' && fateOf(now, member.revision).status === 'pending';
      const request: TxnRequest = breaks
        ? {
            compare: [
              own,
              compare.mod(keys.generation, 'equal', now.mod),
              compare.create(keys.elect, 'equal', 0),
            ],
            success: [
              ...leaving,
              put(keys.generation, encodeGeneration(broken(now, { reason: 'gave-up', by: client.label }))),
              get(keys.generation),
            ],
            failure: [get(member.key), get(keys.elect), get(keys.generation)],
          }
        : { compare: [own], success: leaving, failure: [] };
      const reply = await insist(this.#kit, member.session, request);
      if (reply === undefined || !breaks) return;
      this.#board.learn(lastOf(reply.replies), reply.revision);
      if (reply.succeeded) return;
      const [key, elect] = reply.replies.map((one) => (one.type === 'range' ? one.kvs[0] : undefined));
      if (key?.modRevision !== member.revision) return;
      isDecided = elect !== undefined;
    }
  }
}
