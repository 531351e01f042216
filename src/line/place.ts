import { QuorateError } from '../errors.js';
import { invariant, offAbort, onAbort } from '../runtime/index.js';
import type { DelayLease, Session } from '../session/index.js';
import {
  type Compare,
  compare,
  type Key,
  type KeyEvent,
  type KeyValue,
  type LeaseId,
  type NestedTxnReply,
} from '../store/index.js';
import type { Follower } from './grant.js';
import type { Admission, Claim, OlderPlaces, PlaceOptions, PlaceState } from './place-options.js';
import { decodePlace } from './place-record.js';

const untilNobodyIsLeft: Admission = {
  admits: (older) => older.size === 0,
};

/** Whether the place was deleted by somebody, and not by who took it, or may have been. */
export function wasTakenAway(error: QuorateError): boolean {
  return error.details.wasTakenAway === true;
}

/**
 * One place in a {@link Line}. The older places only ever become fewer, so once its turn has come it stays that until
 * it is gone. The line moves it; whoever took it reads it.
 *
 * Keys are used again for later places, so a place is known by its key and the revision that created it: what went at
 * or before that revision was an earlier one.
 */
export class Place {
  readonly session: Session;
  readonly stem: string | undefined;
  readonly aloneReply: NestedTxnReply | undefined;
  /** The lease of its key when it was taken, if that is known. */
  readonly leaseAtFirst: LeaseId | undefined;
  /** How many it had to wait for when it was taken. */
  readonly aheadAtFirst: number;
  /** Somebody stood guard over the line when it was taken: see grant.ts. */
  readonly sawSentinel: boolean;
  /** Who is known to stand behind it, in order. */
  behind: readonly Follower[] = [];
  /** What the watch would tell of its end counts for nothing: it is being given away, or given up, by who has it. */
  isDisregarded = false;
  /** Resolves with the revision that proves its turn; rejects with what ended it before. */
  readonly turn: Promise<number>;
  #claims: readonly Claim[];
  #revision: number;
  #state: PlaceState;
  readonly #older = new Map<Key, number>();
  /** While it is not known who they are. */
  #findOlder: Extract<OlderPlaces, { count: number }>['find'] | undefined;
  #asOf: number;
  #lastChange = 0;
  /** Revision at which its key went while it waited: deleted, or taken over together with the hold before it. */
  #missing: number | undefined;
  /** Revision at which something happened that may concern it. */
  #doubtedAt = 0;
  readonly #admission: Admission;
  readonly #onGone = new Set<(error: QuorateError) => void>();
  #onFewer: ((ahead: number) => void) | undefined;
  #delay: DelayLease | undefined;
  #resolveTurn: (revision: number) => void = () => {};
  #rejectTurn: (error: QuorateError) => void = () => {};

  constructor(options: PlaceOptions) {
    invariant(options.claims.length > 0, 'a place has a key');
    this.#claims = options.claims;
    this.session = options.session;
    this.stem = options.stem;
    this.aloneReply = options.aloneReply;
    this.leaseAtFirst = options.lease;
    this.#revision = options.revision;
    this.#asOf = options.asOf;
    if ('find' in options.older) {
      this.aheadAtFirst = options.older.count;
      this.#findOlder = options.older.find;
    } else {
      for (const [key, created] of options.older) this.#older.set(key, created);
      this.aheadAtFirst = this.#older.size;
    }
    this.sawSentinel = options.sawSentinel ?? false;
    this.#admission = options.admission ?? untilNobodyIsLeft;
    this.#state = { status: 'waiting', older: this.#older };
    this.turn = new Promise((resolve, reject) => {
      this.#resolveTurn = resolve;
      this.#rejectTurn = reject;
    });
    this.turn.catch(() => {});
    if (this.#mayBeAdmitted()) this.#become(options.asOf);
    if (options.session.signal.aborted) this.endWithSession();
    else onAbort(options.session.signal, this.endWithSession);
  }

  get state(): PlaceState {
    return this.#state;
  }

  /** How many it waits for, as far as is known. */
  get ahead(): number {
    return this.#findOlder === undefined ? this.#older.size : this.aheadAtFirst;
  }

  /** Whether what it stands by may be believed in. Compares the clocks first. */
  get isLive(): boolean {
    return this.session.isLive() && (this.#delay === undefined || this.#delay.isLive());
  }

  /** The lease that its key is on, if it outlasts the session: see securing.ts. */
  get delay(): DelayLease | undefined {
    return this.#delay;
  }

  /** Its keys, the first of which ranks it. */
  get claims(): readonly Claim[] {
    return this.#claims;
  }

  /** The key that ranks it. */
  get key(): Key {
    return (this.#claims[0] as Claim).key;
  }

  /** Revision at which the key was created, which is its rank in the line. */
  get revision(): number {
    return this.#revision;
  }

  /** Revision of the newest state in which the whole line was seen. */
  get asOf(): number {
    return this.#asOf;
  }

  /** Each holds as long as the place stands. What is guarded by them is refused by the store afterwards. */
  guards(): readonly Compare[] {
    return this.#claims.map(({ key, revision }) => compare.mod(key, 'equal', revision));
  }

  /** The first of them: all of them, for a place of one key. */
  guard(): Compare {
    return this.guards()[0] as Compare;
  }

  /** Its turn may have come, or its key gone to be handed another, but nothing that was seen so far proves it. */
  get needsLook(): boolean {
    if (this.#state.status !== 'waiting') return false;
    // Where nobody stands guard it will not be told its turn.
    const mustFindOlder = this.#findOlder !== undefined && !this.sawSentinel;
    return mustFindOlder || this.isInDoubt || this.#mayBeAdmitted();
  }

  /** Something happened that only a look at the line can explain. */
  get isInDoubt(): boolean {
    return this.#state.status === 'waiting' && (this.#missing !== undefined || this.#doubtedAt > this.#asOf);
  }

  /** Its key is gone, and only what the other keys say can tell whether it was handed the hold. */
  get isMissing(): boolean {
    return this.#state.status === 'waiting' && this.#missing !== undefined;
  }

  /** Calls `listener` once, when the place is gone; at once if it is. Returns the function that takes it off. */
  onGone(listener: (error: QuorateError) => void): () => void {
    if (this.#state.status === 'gone') {
      listener(this.#state.error);
      return () => {};
    }
    this.#onGone.add(listener);
    return () => {
      this.#onGone.delete(listener);
    };
  }

  /** Calls `listener` each time fewer are left of those whom it waits for, while it waits. There is one at most. */
  onFewer(listener: (ahead: number) => void): void {
    this.#onFewer = listener;
  }

  /**
   * Everything that happened to the line at `revision`. `complete`: nothing was missed between the state this place knows
   * and that. Otherwise the own place may be gone unnoticed, and only the next look at the line can prove its turn.
   * A join that is told afterwards what happened meanwhile hears of it in any order, so the last change counts. A place
   * that goes in this revision did not outlive the older ones that go with it.
   */
  apply(events: readonly KeyEvent[], revision: number, complete: boolean): void {
    if (this.#state.status === 'gone' || revision <= this.#asOf) return;
    if (events.some(({ type, kv }) => type === 'delete' && this.#isOwn(kv.key, revision))) {
      this.deleted(revision);
      return;
    }
    if (this.#state.status !== 'waiting') return;
    if (this.#findOlder !== undefined) {
      // Whoever of them has gone must not be found in a look that is older than that.
      if (events.some(({ type }) => type === 'delete')) this.doubt(revision);
      return;
    }
    const before = this.#older.size;
    let changed = false;
    for (const { type, kv } of events) {
      const created = this.#older.get(kv.key);
      if (created === undefined) {
        if (this.#admission.changed === undefined) continue;
        this.#admission.changed(kv.key, type === 'delete' ? undefined : kv, revision);
      } else if (type === 'delete' && created < revision) this.#older.delete(kv.key);
      else continue;
      changed = true;
    }
    if (!changed) return;
    if (this.#older.size < before) this.#onFewer?.(this.#older.size);
    this.#lastChange = Math.max(this.#lastChange, revision);
    if (complete && this.#missing === undefined && this.#mayBeAdmitted()) this.#become(this.#lastChange);
  }

  /**
   * The whole line was seen at `revision`, with the values of its keys or without. That proves nothing about later
   * revisions: where an older place went after that, unproved, the own one may have gone before it, and it takes
   * another look.
   */
  see(present: ReadonlyMap<Key, KeyValue>, revision: number, withValues: boolean): void {
    if (this.#state.status === 'gone') return;
    if (!this.#claims.every(({ key, created }) => present.get(key)?.createRevision === created)) {
      if (withValues && this.#isTakenOver(present)) return;
      if (withValues || this.#state.status !== 'waiting') this.#goneAt(revision);
      else this.#missing = revision;
      return;
    }
    this.#asOf = Math.max(this.#asOf, revision);
    if (this.#state.status !== 'waiting') return;
    const before = this.ahead;
    for (const [key, created] of this.#findOlder?.(present) ?? []) this.#older.set(key, created);
    this.#findOlder = undefined;
    for (const [key, created] of this.#older) {
      if (present.get(key)?.createRevision !== created) this.#older.delete(key);
    }
    if (this.#older.size < before) this.#onFewer?.(this.#older.size);
    this.#admission.seen?.(present, revision);
    if (revision < this.#lastChange) return;
    if (this.#mayBeAdmitted()) this.#become(revision);
  }

  /** Its turn is said to have come at `revision`, in a transaction that found it standing. */
  granted(revision: number, behind: readonly Follower[]): void {
    if (this.#state.status !== 'waiting' || revision <= this.#asOf) return;
    this.behind = behind;
    this.#forgetOlder();
    this.#become(revision);
  }

  /** What happened at `revision` may concern it: it takes a look. */
  doubt(revision: number): void {
    this.#doubtedAt = Math.max(this.#doubtedAt, revision);
  }

  /** A key of the place was deleted at `revision`, and not by who took it. */
  deleted(revision: number): void {
    if (this.#claims.every((claim) => revision <= claim.created)) return;
    // Who waits may have been handed the hold, which takes its own key away; who holds was handed it before.
    if (this.#state.status === 'waiting') this.#missing = revision;
    else this.#goneAt(revision);
  }

  /** One of its keys was written anew by who took it. */
  rewritten(key: Key, revision: number): void {
    this.#claims = this.#claims.map((claim) => (claim.key === key ? { ...claim, revision } : claim));
  }

  /** One of its keys is about to be deleted by who took it, and the place stands by the others. */
  disclaim(key: Key): void {
    this.#claims = this.#claims.filter((claim) => claim.key !== key);
    invariant(this.#claims.length > 0, 'a place has a key');
  }

  /** Throws what {@link isLive} says no for. */
  assertLive(): void {
    this.session.assertLive();
    this.#delay?.assertLive();
  }

  /** Resolves once a stall that is being decided is decided. */
  async settled(): Promise<void> {
    await this.session.settled();
    await this.#delay?.settled();
  }

  /** Its key is on this lease from here on, since it was taken or, its turn having come, since it was written at `proof`. */
  standOn(delay: DelayLease, proof?: number): void {
    if (this.#state.status === 'gone') return;
    this.#delay = delay;
    if (proof !== undefined) {
      this.rewritten(this.key, proof);
      this.#state = { status: 'admitted', revision: proof };
    }
    if (delay.signal.aborted) this.#endWithDelay();
    else onAbort(delay.signal, this.#endWithDelay);
  }

  end(error: QuorateError): void {
    if (this.#state.status === 'gone') return;
    const waited = this.#state.status === 'waiting';
    this.#state = { status: 'gone', error };
    offAbort(this.session.signal, this.endWithSession);
    if (this.#delay !== undefined) offAbort(this.#delay.signal, this.#endWithDelay);
    if (waited) this.#rejectTurn(error);
    for (const listener of [...this.#onGone]) listener(error);
    this.#onGone.clear();
  }

  readonly endWithSession = (): void => {
    const { reason } = this.session.signal;
    this.end(
      new QuorateError('session-lost', 'the place in the line went with its session', { cause: reason }),
    );
  };

  readonly #endWithDelay = (): void => {
    const cause: unknown = this.#delay?.signal.reason;
    this.end(
      new QuorateError('session-lost', 'the lease that the place outlasts its session on was lost', {
        ...{ cause, details: { wasTakenAway: true } },
      }),
    );
  };

  #isOwn(key: Key, revision: number): boolean {
    return this.#claims.some((claim) => claim.key === key && claim.created < revision);
  }

  #mayBeAdmitted(): boolean {
    return this.#findOlder === undefined && this.#admission.admits(this.#older);
  }

  #forgetOlder(): void {
    this.#older.clear();
    this.#findOlder = undefined;
  }

  /** The holder has handed the hold over: its key says to whom, and stands for this place from then on. */
  #isTakenOver(present: ReadonlyMap<Key, KeyValue>): boolean {
    if (this.#state.status !== 'waiting' || this.#claims.length > 1) return false;
    for (const kv of present.values()) {
      const handedTo = decodePlace(kv)?.record.handedTo;
      if (handedTo?.key !== this.key || handedTo.revision !== this.revision) continue;
      this.#claims = [{ key: kv.key, created: kv.createRevision, revision: kv.modRevision }];
      this.#revision = kv.createRevision;
      this.#asOf = Math.max(this.#asOf, kv.modRevision);
      this.#forgetOlder();
      this.#become(kv.modRevision);
      return true;
    }
    return false;
  }

  #goneAt(revision: number): void {
    // After a standstill the event may be read before the session knows that its lease has ended.
    const why = this.isLive
      ? 'was deleted by somebody else'
      : 'is gone, with the lease of its session or deleted by somebody else';
    this.end(
      new QuorateError('hold-lost', `the place in the line ${why}`, {
        details: { revision, wasTakenAway: true },
      }),
    );
  }

  #become(revision: number): void {
    this.#state = { status: 'admitted', revision };
    this.#resolveTurn(revision);
  }
}
