import { isPermanent, isQuorateError, QuorateError } from '../../errors.js';
import { Backoff, linkedSignal, sleep } from '../../runtime/index.js';
import { sendDeletion } from '../../session/guarded-deletion.js';
import type { Client, Session } from '../../session/index.js';
import {
  compare,
  type KeyValue,
  type Op,
  put,
  remove,
  type TxnReply,
  type TxnRequest,
} from '../../store/index.js';
import { FactFollower, type FactState } from '../../watch/index.js';
import { Vigil } from '../vigil.js';
import { Coming, type Member, sayingOf } from './coming.js';
import type { DoubleSettings } from './options.js';
import {
  type DoubleKeys,
  decodeRound,
  doubleKeysOf,
  encodeTerms,
  entranceOf,
  exitOf,
  type Round,
  type RoundRecord,
} from './round.js';
import { dueByLast, dueIn, looks, looksCount, mayBeDue, type Seen, seenIn, transition } from './seen.js';
import { type Waiter, Waiters } from './waiters.js';

/** How a member left. */
export interface Departure {
  /** False: its key had gone before. */
  readonly wasThere: boolean;
  /** What the barrier was then; undefined if the session had ended. */
  readonly seen: Seen | undefined;
  /** The key of who waits for the others. */
  readonly leaver: Waiter | undefined;
}

const retryDelay = { firstMs: 20, longestMs: 1_000 };

/** One double barrier, for all its callers in this process: see double-barrier.ts. */
export class Rounds {
  readonly keys: DoubleKeys;
  readonly #client: Client;
  readonly #name: string;
  readonly #settings: DoubleSettings;
  readonly #state: FactFollower;
  readonly #waiters: Waiters;
  readonly #coming: Coming;

  constructor(client: Client, name: string, settings: DoubleSettings) {
    this.keys = doubleKeysOf(client, name);
    this.#client = client;
    this.#name = name;
    this.#settings = settings;
    const { hub, store, runtime, ttlMs } = client;
    this.#state = new FactFollower({ hub, store, runtime, key: this.keys.state, recheckMs: ttlMs });
    const waiters: Waiters = new Waiters(
      new Vigil({
        ...{ client, ttlMs: () => ttlMs, members: this.keys.present, watch: this.keys.traffic },
        isNews: (events) => waiters.isNews(this.keys, events),
        look: async (signal) => waiters.seenBy(await this.#advance(signal)),
        onFailure: (error) => waiters.fail(error),
      }),
    );
    this.#waiters = waiters;
    const look = (signal: AbortSignal) => this.#look(signal);
    this.#coming = new Coming({ client, name, keys: this.keys, terms: encodeTerms(settings), look });
  }

  /** Comes, and waits to be let in. Whatever it rejects with, its key is being deleted. */
  async enter(givenUp: AbortSignal): Promise<{ readonly member: Member; readonly round: number }> {
    for (;;) {
      const session = await this.#client.session({ signal: givenUp });
      const came = await this.#coming.come(session);
      if (came !== undefined) {
        try {
          const round = await this.#untilInside(came.member, came.seen, givenUp);
          // After a pause the clock knows before it is decided.
          await session.settled();
          session.assertLive();
          return { member: came.member, round };
        } catch (error) {
          void this.depart(came.member, { waits: false });
          throw error;
        }
      }
      givenUp.throwIfAborted();
      // If it has ended, the next one is asked for.
      await session.verify({ signal: givenUp }).catch(() => {});
    }
  }

  /** Deletes the member's key, and has done what is due then. `waits`: it is to wait for the others. Never rejects. */
  async depart(member: Member, { waits }: { readonly waits: boolean }): Promise<Departure> {
    const { session, key, created, id } = member;
    const leaverKey = this.keys.leaver(id);
    const success: Op[] = [remove(key), put(this.keys.left, '')];
    if (waits) success.push(put(leaverKey, sayingOf(this.#client, session), { lease: session.leaseId }));
    const view = looks(this.keys, 2);
    const own = compare.mod(key, 'equal', created);
    const sent = await this.#insist(session, {
      ...{ compare: [own], success: [...success, ...view], failure: view },
    });
    if (sent === undefined) return { wasThere: false, seen: undefined, leaver: undefined };
    const { reply, wasThere } = sent;
    const seen = seenIn(reply.replies.slice(-looksCount), reply.revision, this.keys);
    const leaver: Waiter | undefined =
      wasThere && waits ? { as: 'leaver', key: leaverKey, created: reply.revision } : undefined;
    // If it fails, whoever comes or waits will see what is due.
    if (wasThere && mayBeDue(seen, this.#settings.size))
      void this.#advance(session.signal, seen).catch(() => {});
    return { wasThere, seen, leaver };
  }

  /** Waits until all of the round have left. */
  async untilOver(
    round: number,
    { session }: Member,
    departure: Departure,
    givenUp: AbortSignal,
  ): Promise<void> {
    const { seen, leaver } = departure;
    if (seen !== undefined) this.#state.learn(seen.stateKv, seen.revision);
    const decide = (state: FactState) => {
      const exit = exitOf(decodeRound(kvOf(state)), round);
      if (exit === 'broken') throw this.broken(round);
      return exit === 'over' || undefined;
    };
    const failed = leaver && this.#waiters.add(leaver, seen);
    const end = linkedSignal(givenUp, session.signal, failed);
    try {
      await this.#state.until(decide, { signal: end.signal });
    } catch (error) {
      // Where the round was over its key has gone. Its name is never used again, so that needs no guard.
      const request = { compare: [], success: [remove(leaver?.key ?? '')], failure: [] };
      if (leaver !== undefined) void sendDeletion(this.#client, session, request);
      throw error;
    } finally {
      end.unlink();
      if (leaver !== undefined) this.#waiters.remove(leaver);
    }
  }

  broken(round: number): QuorateError {
    const what = `a member of round ${round} of the double barrier ${JSON.stringify(this.#name)} has died`;
    return new QuorateError('barrier-broken', what, { details: { round } });
  }

  async #untilInside(member: Member, seen: Seen, givenUp: AbortSignal): Promise<number> {
    const end = linkedSignal(givenUp, member.session.signal);
    try {
      const { size } = this.#settings;
      const now = mayBeDue(seen, size) ? (await this.#advance(end.signal, seen)).now : seen.now;
      const round = now && this.#entrance(now, member);
      if (round !== undefined) return round;
      return await this.#waitUntilInside(member, seen, end.signal);
    } finally {
      end.unlink();
    }
  }

  async #waitUntilInside(member: Member, seen: Seen, signal: AbortSignal): Promise<number> {
    const { key, created } = member;
    const waiter: Waiter = { as: 'member', key, created };
    const failed = this.#waiters.add(waiter, seen);
    const end = linkedSignal(signal, failed);
    try {
      if (seen.stateKv !== undefined) this.#state.learn(seen.stateKv, seen.revision);
      const decide = (state: FactState) => {
        const now = decodeRound(kvOf(state));
        return now && this.#entrance(now, member);
      };
      return await this.#state.until(decide, { signal: end.signal });
    } finally {
      end.unlink();
      this.#waiters.remove(waiter);
    }
  }

  /** The round that it is let into; undefined as long as it waits. */
  #entrance(now: Round, { created }: Member): number | undefined {
    const entrance = entranceOf(now, created);
    switch (entrance.status) {
      case 'inside':
        return entrance.round;
      case 'broken':
        throw this.broken(now.round);
      case 'gone':
        throw new QuorateError('hold-lost', 'somebody deleted the key of a member that was let in');
      case 'waiting': {
        if (now.phase !== 'inside' || this.#settings.whenFull === 'queue') return undefined;
        const what = `round ${now.round} of the double barrier ${JSON.stringify(this.#name)} is full`;
        throw new QuorateError('over-limit', what, {
          details: { round: now.round, size: this.#settings.size },
        });
      }
    }
  }

  /** Does what is due, as long as something is. Answers what it saw last. */
  async #advance(signal: AbortSignal, first?: Seen): Promise<Seen> {
    const { size } = this.#settings;
    const lastComer = first && dueByLast(first, size);
    if (first !== undefined && lastComer !== undefined) {
      const now = await this.#transit(first, lastComer, signal);
      if (now !== undefined) return { ...first, now };
    }
    for (;;) {
      const seen = await this.#look(signal);
      const to = dueIn(seen, this.#settings);
      if (to === undefined) return seen;
      await this.#transit(seen, to, signal);
    }
  }

  /** The state as it was written; undefined if something had changed, or nothing but the state can tell. */
  async #transit(seen: Seen, to: RoundRecord, signal: AbortSignal): Promise<Round | undefined> {
    const request = transition(this.keys, seen, to);
    const options = { signal, timeoutMs: Number.POSITIVE_INFINITY };
    let reply: TxnReply;
    try {
      reply = await this.#client.store.txn(request, options);
    } catch (error) {
      // Settled: the reply was lost, and with it the history that would have told.
      if (signal.aborted || !isQuorateError(error, 'compacted')) throw error;
      return undefined;
    }
    const { succeeded, replies, revision } = reply;
    const state = replies.find((reply) => reply.type === 'range')?.kvs[0];
    if (!succeeded || state === undefined) return undefined;
    this.#state.learn(state, revision);
    return decodeRound(state);
  }

  async #look(signal: AbortSignal): Promise<Seen> {
    const { store, runtime } = this.#client;
    const backoff = new Backoff(runtime, retryDelay);
    for (;;) {
      try {
        const reply = await store.txn({ compare: [], success: looks(this.keys), failure: [] }, { signal });
        const seen = seenIn(reply.replies, reply.revision, this.keys);
        this.#state.learn(seen.stateKv, seen.revision);
        return seen;
      } catch (error) {
        if (signal.aborted || isPermanent(error)) throw error;
        await sleep(runtime, backoff.nextMs(), { signal });
      }
    }
  }

  /** Sends what a request of this session's must have come to, until it has, or the session is over. */
  async #insist(
    { signal }: Session,
    request: TxnRequest,
  ): Promise<{ readonly reply: TxnReply; readonly wasThere: boolean } | undefined> {
    const { store, runtime } = this.#client;
    const backoff = new Backoff(runtime, retryDelay);
    let mayBeDone = false;
    while (!signal.aborted) {
      try {
        const reply = await store.txn(request, { signal, timeoutMs: Number.POSITIVE_INFINITY });
        return { reply, wasThere: reply.succeeded || mayBeDone };
      } catch (error) {
        if (isQuorateError(error, 'closed')) return undefined;
        mayBeDone ||= isQuorateError(error) && error.outcome === 'unknown';
        await sleep(runtime, backoff.nextMs(), { signal }).catch(() => {});
      }
    }
    return undefined;
  }
}

function kvOf(state: FactState): KeyValue | undefined {
  return state.status === 'present' ? state.kv : undefined;
}
