import { invalidArgument, isQuorateError } from '../../errors.js';
import type { Client, Session } from '../../session/index.js';
import {
  compare,
  get,
  type Key,
  nested,
  type Op,
  type OpReply,
  put,
  type TxnReply,
  type TxnRequest,
  textOf,
} from '../../store/index.js';
import { encodeMember } from '../member-record.js';
import { type DoubleKeys, encodeRound, firstRound } from './round.js';
import { looks, looksCount, type Seen, seenIn } from './seen.js';

/** Somebody who has come: its key, and the revision that created it. */
export interface Member {
  readonly id: string;
  readonly session: Session;
  readonly key: Key;
  readonly created: number;
}

export interface ComingParts {
  readonly client: Client;
  readonly name: string;
  readonly keys: DoubleKeys;
  /** What all must agree upon. */
  readonly terms: string;
  /** Reads all of it. */
  readonly look: (signal: AbortSignal) => Promise<Seen>;
}

/** What the key of somebody who is there says. */
export function sayingOf({ label }: Client, { id }: Session): Uint8Array {
  return encodeMember({ session: id, label });
}

/** How members come: one request each, which tells what they find. */
export class Coming {
  readonly #parts: ComingParts;

  constructor(parts: ComingParts) {
    this.#parts = parts;
  }

  /** Undefined if the session had ended. Errors: `invalid-argument` for other terms than who came first had. */
  async come(session: Session): Promise<{ readonly member: Member; readonly seen: Seen } | undefined> {
    const { client, keys, look } = this.#parts;
    const { signal } = session;
    const id = client.runtime.newId();
    const key = keys.member(id);
    const cameAt = (created: number): Member => ({ id, session, key, created });
    try {
      const options = { signal, timeoutMs: Number.POSITIVE_INFINITY };
      const reply = await client.store.txn(this.#request(session, key), options);
      const { revision } = reply;
      const replies = this.#repliesIn(reply);
      if (replies === undefined) return undefined;
      return { member: cameAt(revision), seen: seenIn(replies.slice(-looksCount), revision, keys) };
    } catch (error) {
      if (signal.aborted) return undefined;
      if (!isQuorateError(error, 'compacted')) throw error;
      // Settled, and nothing can tell how but the key itself.
      const seen = await look(signal);
      const own = seen.members.find((kv) => kv.key === key);
      return own && { member: cameAt(own.createRevision), seen };
    }
  }

  #request(session: Session, key: Key): TxnRequest {
    const { client, keys, terms: ours } = this.#parts;
    const { terms, state, afresh, came, present, numbers } = keys;
    const own = [compare.create(key, 'equal', 0), session.guard()];
    const coming: readonly Op[] = [
      put(key, sayingOf(client, session), { lease: session.leaseId }),
      nested({
        compare: [compare.create(present, 'equal', 0)],
        success: [{ type: 'delete', ...numbers }, put(afresh, '')],
        failure: [put(came, '')],
      }),
      nested({
        compare: [compare.create(state, 'equal', 0)],
        success: [put(state, encodeRound(firstRound))],
      }),
      ...looks(keys, 2),
    ];
    const first = nested({
      compare: [...own, compare.create(terms, 'equal', 0)],
      success: [put(terms, ours), ...coming],
    });
    return {
      compare: [...own, compare.value(terms, 'equal', ours)],
      success: coming,
      failure: [get(terms), first],
    };
  }

  /** Undefined if nobody came by it, since the session had ended. */
  #repliesIn({ succeeded, replies }: TxnReply): readonly OpReply[] | undefined {
    if (succeeded) return replies;
    const [found, first] = replies;
    if (first?.type === 'txn' && first.succeeded) return first.replies;
    const { name, terms: ours } = this.#parts;
    const theirs = found?.type === 'range' && found.kvs[0] ? textOf(found.kvs[0].value) : undefined;
    if (theirs === undefined || theirs === ours) return undefined;
    throw invalidArgument(
      `the double barrier ${JSON.stringify(name)} is of ${theirs}, and not of ${ours}`,
      'the size and the policy for dead members that it was made with',
    );
  }
}
