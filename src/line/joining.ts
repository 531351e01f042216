import { isQuorateError, QuorateError } from '../errors.js';
import { invariant } from '../runtime/index.js';
import type { Client, Session } from '../session/index.js';
import {
  type Compare,
  get,
  type Key,
  type KeyRange,
  type KeyValue,
  type NestedTxnReply,
  type Op,
  type OpReply,
} from '../store/index.js';
import type { PlaceWatch } from './granted-watch.js';
import type { Look, Seen } from './look.js';
import { Place } from './place.js';
import type { Admission } from './place-options.js';
import { decodePlace } from './place-record.js';
import { readLine } from './read-line.js';

/** What a place is made of, and whom it waits for. */
export interface PlaceShape {
  /** Its keys, without the prefix of the line, made of a stem; the first ranks it. Default: the stem itself. */
  readonly keys?: (stem: string) => readonly string[];
  /** Whether it waits for an older key of the line, named without the prefix. Default: for every one. */
  readonly waitsFor?: (key: string) => boolean;
  /** When its turn is, if not when nobody is left whom it waits for. One of its own for each place. */
  readonly admission?: Admission;
}

export interface JoiningParts {
  readonly client: Client;
  readonly watch: PlaceWatch;
  /** What looks at the line read: its places, and what else tells of it. */
  readonly range: KeyRange;
  readonly prefix: Key;
  /** Stands while somebody stands guard over the line. */
  readonly sentinel?: Key | undefined;
  readonly session: Session;
  readonly stem: string;
  readonly shape: PlaceShape;
  /** Each puts one of the keys. */
  readonly puts: (keys: readonly Key[]) => readonly Op[];
  readonly look: Look;
  /** The stem can serve another place. */
  readonly free: (stem: string) => void;
}

/**
 * A place that is about to be taken: the operations that take it, for a transaction of whoever sends it, and what their
 * replies make of it.
 */
export class Joining {
  readonly keys: readonly Key[];
  /** To be done one after the other, in this order, and then {@link look}. */
  readonly puts: readonly Op[];
  readonly #parts: JoiningParts;

  constructor(parts: JoiningParts) {
    const { keys = (stem: string) => [stem] } = parts.shape;
    this.#parts = parts;
    this.keys = keys(parts.stem).map((key) => `${parts.prefix}${key}`);
    this.puts = parts.puts(this.keys);
  }

  /** Once for all places that a transaction takes in the line. */
  get look(): Look {
    return this.#parts.look;
  }

  get watch(): PlaceWatch {
    return this.#parts.watch;
  }

  /** The place, as the replies to {@link puts} and what {@link look} found show it. */
  place(revision: number, replies: readonly OpReply[], { present, count, isGuarded }: Seen): Place {
    if (present === undefined) return this.#inACrowd(revision, count - 1, isGuarded);
    invariant(
      this.keys.every((key) => present.get(key)?.createRevision === revision),
      'a place is taken under keys that were free',
    );
    const alone = replies.find(
      (reply, at): reply is NestedTxnReply =>
        at >= this.keys.length && reply.type === 'txn' && reply.succeeded,
    );
    return this.#place(present, revision, alone);
  }

  /**
   * The request is settled but its reply is lost for good: what the line shows is what came of it. Read until it
   * is read, since a place that nobody knows of would block the line as long as the session lives. A place that is not
   * there, or not whole, is answered as one that is gone: it may have been, and been deleted by somebody.
   */
  async find(): Promise<Place> {
    const { client, range, session } = this.#parts;
    const look = { signal: session.signal, values: true };
    const { revision, kvs } = await readLine(client, range, look).catch((cause: unknown) => {
      throw sessionLost(cause);
    });
    return this.#place(new Map(kvs.map((kv) => [kv.key, kv])), revision);
  }

  /** It was refused, so nothing stands under these keys. */
  refused(): void {
    this.#parts.free(this.#parts.stem);
  }

  #place(present: ReadonlyMap<Key, KeyValue>, asOf: number, aloneReply?: NestedTxnReply): Place {
    const { session, stem, shape, sentinel } = this.#parts;
    const { admission } = shape;
    const handed = this.#handed(present);
    const sawSentinel = sentinel !== undefined && present.has(sentinel);
    if (handed !== undefined) {
      const { key, createRevision: created, modRevision: revision } = handed;
      return new Place({
        ...{ claims: [{ key, created, revision }], session, stem, revision: created },
        ...{ asOf, older: new Map(), sawSentinel, lease: handed.lease },
      });
    }
    const claims = this.keys.map((key) => {
      const { createRevision: created = asOf, modRevision: revision = asOf } = present.get(key) ?? {};
      return { key, created, revision };
    });
    const rank = claims[0]?.created ?? asOf;
    const older = this.#olderIn(present, rank);
    admission?.seen?.(present, asOf);
    const lease = present.get(this.keys[0] ?? '')?.lease;
    const place = new Place({
      ...{ claims, session, stem, revision: rank, asOf, older, admission, aloneReply, sawSentinel, lease },
    });
    if (!this.keys.every((key) => present.has(key))) {
      // It may have been told of its turn by name before it was deleted: then nobody else wakes those who wait.
      const details = { wasTakenAway: true };
      place.end(new QuorateError('hold-lost', 'the place was not there when it was looked for', { details }));
    }
    return place;
  }

  /** A place of one key, of which it was asked only how many are before it. */
  #inACrowd(revision: number, ahead: number, sawSentinel: boolean): Place {
    const { session, stem } = this.#parts;
    const claims = this.keys.map((key) => ({ key, created: revision, revision }));
    const find = (present: ReadonlyMap<Key, KeyValue>) => this.#olderIn(present, revision);
    return new Place({
      ...{ claims, session, stem, revision, asOf: revision, sawSentinel, lease: session.leaseId },
      older: ahead === 0 ? new Map() : { count: ahead, find },
    });
  }

  #olderIn(present: ReadonlyMap<Key, KeyValue>, rank: number): Map<Key, number> {
    const { prefix, shape } = this.#parts;
    const { waitsFor = () => true } = shape;
    const older = new Map<Key, number>();
    for (const { key, createRevision } of present.values()) {
      if (!key.startsWith(prefix)) continue;
      // Of those taken together, the one with the smaller key comes first.
      const isBefore = createRevision < rank || (createRevision === rank && key < (this.keys[0] ?? ''));
      if (isBefore && !this.keys.includes(key) && waitsFor(key.slice(prefix.length))) {
        older.set(key, createRevision);
      }
    }
    return older;
  }

  /** Taken, seen by the holder and handed the hold, all before the reply was given up for lost. */
  #handed(present: ReadonlyMap<Key, KeyValue>): KeyValue | undefined {
    const [own] = this.keys;
    if (own === undefined || this.keys.length > 1 || present.has(own)) return undefined;
    return [...present.values()].find((kv) => {
      const { session, handedTo } = decodePlace(kv)?.record ?? {};
      return handedTo?.key === own && session === this.#parts.session.id;
    });
  }
}

export interface JoinRequest {
  readonly client: Client;
  readonly session: Session;
  /** The places to be taken, all of them or none. Those of one line stand together, in the order of their keys. */
  readonly joinings: readonly Joining[];
  readonly compare: readonly Compare[];
  /** Done first, in the same transaction. */
  readonly before?: readonly Op[];
  /** Whether places that wait are followed, which opens the line's watch. Default true. */
  readonly follow?: boolean;
  /** `compare` asks for more than the session, so that a refusal must tell which of the two it was. Default false. */
  readonly mayBeRefused?: boolean | undefined;
}

/**
 * Sends a transaction that takes places, and follows those that wait. Undefined if it was refused. Goes on until the
 * outcome is known, as long as the session lives. Where it may be refused for what it compares, and it was the session whose
 * anchor is gone, that ends the session, and this throws `session-lost`.
 */
export async function sendJoinings(request: JoinRequest): Promise<readonly Place[] | undefined> {
  const missed = request.joinings.map(({ watch }) => watch.beginJoin());
  let places: readonly Place[] | undefined;
  try {
    places = await send(request);
  } finally {
    for (const [index, { watch }] of request.joinings.entries()) {
      const one = missed[index];
      if (one !== undefined) watch.endJoin(one, places?.[index], request.follow);
    }
  }
  return places;
}

async function send(request: JoinRequest): Promise<readonly Place[] | undefined> {
  const { client, session, joinings, before = [] } = request;
  // After a pause the clock is asked first, and what stood still may go on.
  if (!session.isLive()) await session.settled();
  session.assertLive();
  try {
    const { succeeded, revision, replies } = await client.store.txn(
      {
        compare: request.compare,
        success: [
          ...before,
          ...joinings.flatMap(({ puts, look }, at) => (looks(joinings, at) ? [...puts, ...look.ops] : puts)),
        ],
        failure: request.mayBeRefused ? [get(session.anchor, { keysOnly: true })] : [],
      },
      { signal: session.signal, timeoutMs: Number.POSITIVE_INFINITY },
    );
    if (!succeeded) {
      for (const joining of joinings) joining.refused();
      if (request.mayBeRefused) await assertAnchored(session, replies[0]);
      return undefined;
    }
    return placesOf(joinings, revision, replies.slice(before.length));
  } catch (error) {
    if (session.signal.aborted) throw sessionLost(error);
    if (!isQuorateError(error) || error.outcome !== 'unknown' || error.code === 'closed') throw error;
    return Promise.all(joinings.map((joining) => joining.find()));
  }
}

/**
 * `reply` is a look at the anchor, of when a join was refused: if that was not what refused it, all is well. Throws what the
 * session ended with otherwise.
 */
async function assertAnchored(session: Session, reply: OpReply | undefined): Promise<void> {
  const anchor = reply?.type === 'range' ? reply.kvs[0] : undefined;
  if (anchor?.createRevision === session.anchorRevision) return;
  await session.verify({ signal: session.signal }).catch(() => {});
  session.signal.throwIfAborted();
  throw sessionLost(undefined);
}

/** Whether this one looks at its line: the last of those that take places in it. */
function looks(joinings: readonly Joining[], at: number): boolean {
  return joinings[at]?.watch !== joinings[at + 1]?.watch;
}

function placesOf(joinings: readonly Joining[], revision: number, replies: readonly OpReply[]): Place[] {
  const places: Place[] = [];
  let end = replies.length;
  let seen: Seen = { present: new Map(), count: 0, isGuarded: false };
  for (const [at, joining] of [...joinings.entries()].reverse()) {
    if (looks(joinings, at)) {
      const { ops, seenIn } = joining.look;
      seen = seenIn(replies.slice(end - ops.length, end));
      end -= ops.length;
    }
    const from = end - joining.puts.length;
    places.unshift(joining.place(revision, replies.slice(from, end), seen));
    end = from;
  }
  return places;
}

function sessionLost(cause: unknown): QuorateError {
  return new QuorateError('session-lost', 'the session ended while the place was taken', { cause });
}
