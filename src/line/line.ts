/**
 * The waiting line that locks and elections stand in.
 *
 * **Keys.** `{prefix}l/{id}.{n}`, one a place (a lock that needs more than a key a place gives it a shape of its own), on
 * the session's lease. The id is random per `Line` object; n counts its places, and is used again once the place that had
 * it is certainly deleted, since etcd walks over every key that a range ever held until it is compacted: a name per hold
 * would slow the line by 60 ms a million holds. So a place is its key *and* the revision that created it, which is its
 * rank. The revision that last wrote the key guards it: the same one, but for a place that was handed over.
 *
 * **Transactions**, all through the exactly-once store, so each is applied at most once and its reply is known:
 * - join: `IF anchor stands THEN put k, range line`, or what look.ts tells of it in a crowd (two joins of one line never share a request, since each ranges
 *   what the other writes). The range sees the put: one reply tells the rank and who is older.
 * - step back: `IF mod(k) = m, anchor stands THEN delete k, put k2, range line`: leaves and queues again in one.
 * - leave: `IF mod(k) = m THEN delete k`. May be repeated: see leaving.ts.
 * - hand over, from a holder h to a waiter w: `IF mod(h) = m, mod(w) = n THEN put h (saying w, on w's lease), delete w`. The
 *   holder's key keeps its rank, so nobody behind stirs and nobody comes between; its old guard is dead. A waiter whose
 *   own key goes reads the line: either a key says that it was handed over to it, or it was deleted by somebody.
 *
 * **Who waits for what.** A place waits until no older key is left. The older keys are known from the join's
 * reply and are struck off by the DELETE events of one standing watch on the whole line, shared by everybody in
 * the process. One watch carries the own key and the older ones in one order, so "none older is left, and mine is
 * not deleted" at an event's revision is a proof, without a read, as long as nothing was missed since the join.
 * Predecessor watches, etcd's recipe, would each start anew and now and then be served by etcd's slow path, 100 ms late.
 *
 * **Where many wait**, a holder tells the next one by name, and nobody else is woken: see grant.ts. That is what lines do that
 * are made with `grants`; the proof of a turn is then the holder's transaction, which found the next one standing.
 *
 * **When the watch is not enough.** It is opened at the first contention and lingers. Where it opened after the
 * state a place knows, the line is read once. A fresh watch may be served late too: it is backed by a read
 * after 8 and 32 ms. After a cut the watch starts from now and the line is read, and until it is, no event proves
 * anything: the own place may have gone in the gap. Nor does a read prove more than the state at its own revision,
 * however late its reply comes. A cut, a compaction or a failure is never taken for a wake-up. Against a watch that
 * went silent unnoticed, waiters read the line about once a TTL.
 *
 * **Lost replies.** The exactly-once store resolves them. Where it cannot (history compacted), the request is
 * settled all the same, it can no longer be applied, so one read of the line tells. **Session lost:** the keys die
 * with the lease and a late join is refused by the anchor. **Pause:** whoever holds compares the clock.
 */
import { QuorateError } from '../errors.js';
import type { Client, DelayLease, Session } from '../session/index.js';
import {
  compare,
  type Key,
  type KeyRange,
  type KeyValue,
  nested,
  type Op,
  type OpReply,
  prefixRange,
  put,
  remove,
  type TxnOp,
  type TxnRequest,
} from '../store/index.js';
import { grantedStem, sentinelOf } from './grant.js';
import { GrantedWatch, type PlaceWatch, WholeLineWatch } from './granted-watch.js';
import { Granting } from './granting.js';
import { Joining, type JoinRequest, type PlaceShape, sendJoinings } from './joining.js';
import { Leaving } from './leaving.js';
import type { LineWatchOptions } from './line-watch.js';
import { type Look, lookInACrowd, wholeLook } from './look.js';
import type { Place } from './place.js';
import { encodePlace, type PlaceRecord } from './place-record.js';
import { putWhereDue, secure, takeOn } from './securing.js';

export interface LineOptions extends LineWatchOptions {
  /** What places are made of, and whom they wait for, unless a join says otherwise. */
  readonly shape?: PlaceShape | undefined;
  /** The keys of the line end so, below its prefix. Default `'l/'`. */
  readonly suffix?: string | undefined;
  /** Holders wake the next in line by name: see grant.ts. Default false: all who wait are told of every deletion. */
  readonly grants?: boolean | undefined;
}

export interface JoinOptions {
  /** Names the place's keys, of `newStem()`, for who must know them beforehand. */
  readonly stem?: string | undefined;
  readonly shape?: PlaceShape | undefined;
  /** Done in the same transaction if the line was empty before it. */
  readonly ifAlone?: readonly Op[] | undefined;
  /** What the place says beside its session and its client. */
  readonly says?: Pick<PlaceRecord, 'owner'> | undefined;
  /** Bytes that the place comes with. */
  readonly attached?: Uint8Array | undefined;
  /** Taken on this lease of the session if its turn is at once, and else to be secured before it is used: see securing.ts. */
  readonly delay?: DelayLease | undefined;
}

/** What places of a session say that say no more than that: a session is of one client, whose label they say too. */
const said = new WeakMap<Session, Uint8Array>();

export class Line {
  /** All places of the line. */
  readonly range: Required<KeyRange>;
  /** Of every key in it. */
  readonly prefix: Key;
  readonly #client: Client;
  readonly #options: LineOptions;
  readonly #watch: PlaceWatch;
  readonly #granting: Granting | undefined;
  readonly #leaving: Leaving;
  readonly #id: string;
  /** Stems of places of this object that are certainly gone. */
  readonly #free: string[] = [];
  #taken = 0;
  /** What looks read where more than the places tells of the line. */
  readonly #look: KeyRange | undefined;
  readonly #sentinel: Key | undefined;
  /** Somebody stood guard over it when the last place was taken. */
  #isCrowded = false;

  constructor(client: Client, prefix: Key, options: LineOptions = {}) {
    this.#client = client;
    this.#options = options;
    this.prefix = `${prefix}${options.suffix ?? 'l/'}`;
    this.range = prefixRange(this.prefix);
    this.#id = client.runtime.newId();
    const { prefix: own, range } = this;
    if (options.grants === true) {
      const sentinel = sentinelOf(prefix);
      this.#look = { key: own, rangeEnd: `${sentinel}\0` };
      this.#sentinel = sentinel;
      this.#granting = new Granting(client, { base: prefix, prefix: own, range, sentinel, id: this.#id });
      const { mailbox } = this.#granting;
      this.#watch = new GrantedWatch({ client, range, look: this.#look, sentinel, mailbox });
    } else this.#watch = new WholeLineWatch(client, range, options);
    const free = (stem: string) => this.#free.push(stem);
    this.#leaving = new Leaving({ client, range, watch: this.#watch, granting: this.#granting, free });
  }

  /**
   * Takes a place at the end of the line, or throws `session-lost`. One request. Goes on until the outcome is
   * known, as long as the session lives: whoever stops waiting for it must `leave` the place once it is there. It may be
   * gone already.
   */
  async join(session: Session, options: JoinOptions = {}): Promise<Place> {
    const [place] = (await this.#take(session, this.joining(session, options), options)) ?? [];
    if (place !== undefined) return place;
    // Refused by the anchor: the lease is over, or somebody deleted the anchor, which ends the session too.
    await session.verify({ signal: session.signal }).catch(() => {});
    throw new QuorateError('session-lost', 'the session had ended when the place was to be taken');
  }

  /**
   * Takes a place only if the line is empty. One request, and it leaves nothing behind otherwise. Throws `session-lost` where
   * that was what refused it.
   */
  async joinIfEmpty(session: Session, options: JoinOptions = {}): Promise<Place | undefined> {
    const empty = compare.create(this.range, 'equal', 0);
    const more = { delay: options.delay, compare: [empty], mayBeRefused: true };
    const taken = await this.#take(session, this.joining(session, options), more);
    const [place] = taken ?? [];
    return place?.state.status === 'gone' ? undefined : place;
  }

  /**
   * Gives a place up for a new one at the end of the line, in one request. Undefined if that could not be had,
   * since the place or its session was gone; the old place is gone in any case, unless this throws.
   */
  async stepBack(place: Place, options: JoinOptions = {}): Promise<Place | undefined> {
    await this.#granting?.prepared(place);
    this.#watch.forget(place);
    const [next] =
      (await this.#take(place.session, this.joining(place.session, options, place), {
        delay: options.delay,
        ...(this.#granting?.passing(place) ?? {
          compare: place.guards(),
          success: place.claims.map(({ key }) => remove(key)),
        }),
      })) ?? [];
    if (next === undefined || next.state.status === 'gone') {
      await this.leave(place);
      return undefined;
    }
    this.given(place);
    return next;
  }

  /**
   * Gives a place up. Resolves once it is certainly gone: true if this has deleted it; false if somebody else had, or an
   * attempt whose reply was lost, or its session is over, or the client is closed; then what was left of its keys has gone
   * too. Never rejects. Repeats while the store is away; the lease bounds that.
   */
  leave(place: Place, alongside: readonly Op[] = []): Promise<boolean> {
    return this.#leaving.leave(place, alongside);
  }

  /**
   * What gives up a place that has its turn, and tells the next in line, for a transaction that does more: nested in it, and
   * without effect on the rest if the place has gone. Say by {@link left} what was answered.
   */
  leavingWithin(place: Place): Promise<TxnOp> {
    return this.#leaving.within(place);
  }

  /** Whether the place was given up so; if not, {@link leave} it. */
  left(place: Place, reply: OpReply): boolean {
    return this.#leaving.answered(place, reply);
  }

  /**
   * Has the line watched for this place although it does not wait: its deletion by somebody else will end it. Not while it is
   * disregarded.
   */
  guardAgainstDeletion(place: Place): void {
    if (place.state.status === 'admitted' && !place.isDisregarded) this.#watch.followFromNow(place);
  }

  /**
   * What the watch tells of the place counts no more, whoever asks for it to be guarded, until it is regarded again: another may
   * have it, and be done with it, before the reply that says so is here.
   */
  disregard(place: Place): void {
    place.isDisregarded = true;
    this.#watch.forget(place);
  }

  /** It stands after all: it counts again, and is guarded. */
  regard(place: Place): void {
    place.isDisregarded = false;
    this.guardAgainstDeletion(place);
  }

  /**
   * For a place that was not taken by a join, what a join does for those that it takes: while it waits the line is watched for
   * it, and looked at if something has happened since the state that it knows; and where it is deleted by somebody, or was before
   * this, those who wait are woken.
   */
  follow(place: Place): void {
    this.#granting?.attend(place);
    if (place.state.status === 'waiting') this.#watch.followFromNow(place);
  }

  /** A name for the keys of one place. */
  newStem(): string {
    const used = this.#free.pop();
    if (used !== undefined) return used;
    this.#taken += 1;
    return this.#granting ? grantedStem(this.#id, this.#taken) : `${this.#id}.${this.#taken}`;
  }

  /** Puts a place whose turn has come on this lease, before it is used: see securing.ts. False if it was gone. */
  secure(place: Place, delay: DelayLease): Promise<boolean> {
    return secure({ client: this.#client, range: this.range, place, delay });
  }

  /**
   * A place about to be taken, by a transaction that does more: see `sendJoinings`. `instead`: the place that it is taken for,
   * which goes in the same transaction.
   */
  joining(session: Session, options: JoinOptions = {}, instead?: Place): Joining {
    const { ifAlone, says, delay } = options;
    const value = this.#valueOf(session, says, options.attached);
    const alone = ifAlone
      ? [nested({ compare: [compare.create(this.range, 'equal', 0)], success: ifAlone })]
      : [];
    const { range } = this;
    const putOf = (key: Key) =>
      delay === undefined
        ? put(key, value, { lease: session.leaseId })
        : putWhereDue(key, value, { session, delay, range, instead });
    return new Joining({
      client: this.#client,
      watch: this.#watch,
      range: this.#look ?? this.range,
      prefix: this.prefix,
      sentinel: this.#sentinel,
      session,
      stem: options.stem ?? this.newStem(),
      shape: options.shape ?? this.#options.shape ?? {},
      puts: (keys) => [...keys.map(putOf), ...alone],
      look: this.#lookOf(options),
      free: (stem) => this.#free.push(stem),
    });
  }

  #lookOf({ shape, ifAlone, delay }: JoinOptions): Look {
    const sentinel = this.#sentinel;
    const mayAskLess = this.#isCrowded && !shape && !ifAlone && !delay;
    if (sentinel !== undefined && mayAskLess) return lookInACrowd(this.range, sentinel);
    return wholeLook(this.#look ?? this.range, { sentinel, values: this.#options.values === true });
  }

  /** What a place says, which is the same for all of a session that say no more. */
  #valueOf(session: Session, says: JoinOptions['says'], attached: Uint8Array | undefined): Uint8Array {
    const record = { session: session.id, label: this.#client.label, ...says };
    if (says !== undefined || attached !== undefined) return encodePlace(record, attached);
    const known = said.get(session);
    if (known !== undefined) return known;
    const value = encodePlace(record);
    said.set(session, value);
    return value;
  }

  /** The place is certainly deleted, by us: its keys can serve another. */
  given(place: Place): void {
    this.#leaving.done(place);
  }

  /** What tells `to`, who is handed the key of `from`, in the transaction that does that. */
  handingTo(from: Place, to: KeyValue): readonly Op[] {
    return this.#granting?.handingTo(from, to) ?? [];
  }

  /** The operations that delete a place which has its turn, for a transaction that is guarded by it and does more. */
  deletions(place: Place): readonly Op[] {
    return this.#leaving.deletions(place);
  }

  #take(
    session: Session,
    joining: Joining,
    more: Partial<Pick<TxnRequest, 'compare' | 'success'>> &
      Pick<JoinOptions, 'delay'> &
      Pick<JoinRequest, 'mayBeRefused'>,
  ): Promise<readonly Place[] | undefined> {
    const { compare: compares = [], success: before = [], delay, mayBeRefused } = more;
    const request = { client: this.#client, session, joinings: [joining], mayBeRefused };
    const send = () =>
      sendJoinings({ ...request, compare: [session.guard(), ...compares], before }).then((places) => {
        for (const place of places ?? []) {
          this.#granting?.prepare(place);
          this.#isCrowded = place.sawSentinel;
        }
        return places;
      });
    return delay === undefined ? send() : takeOn(delay, send);
  }
}
