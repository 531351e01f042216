import type { Client, Session } from '../session/index.js';
import {
  compare,
  getPrefix,
  type Key,
  type KeyRange,
  type KeyValue,
  nested,
  type Op,
  put,
  remove,
  type TxnReply,
  type TxnRequest,
} from '../store/index.js';
import { encodeGrant, followersOf, mailboxOf, mailboxOfStem } from './grant.js';
import { type Place, wasTakenAway } from './place.js';

/** A look that takes longer serves nobody: who leaves meanwhile waits for it. */
const lookWithinMs = 250;

/** So long it is tried to wake those who wait for a place that was deleted. */
const wakeWithinMs = 5_000;

/** What is known to be going on where a place had to wait for so many: others are behind it. */
const crowd = 2;

/** The looks of places that are to know who is behind them. */
const looks = new WeakMap<Place, Promise<void>>();

/** What the places of one `Line` object do for the next in line when they go: see grant.ts. */
export class Granting {
  readonly #client: Client;
  /** Of everything that belongs to the line, and of its places. */
  readonly #base: Key;
  readonly #prefix: Key;
  readonly #range: KeyRange;
  readonly #sentinel: Key;
  readonly mailbox: Key;

  constructor(client: Client, line: { base: Key; prefix: Key; range: KeyRange; sentinel: Key; id: string }) {
    this.#client = client;
    this.#base = line.base;
    this.#prefix = line.prefix;
    this.#range = line.range;
    this.#sentinel = line.sentinel;
    this.mailbox = mailboxOf(line.base, line.id);
  }

  /** Once it has its turn, a place that waited in a crowd looks who is behind it, if nobody told it. */
  prepare(place: Place): void {
    this.attend(place);
    if (place.aheadAtFirst < crowd) return;
    place.turn.then(
      () => {
        if (place.behind.length === 0) looks.set(place, this.#look(place));
      },
      () => {},
    );
  }

  /**
   * Once the place that has the turn is deleted by somebody, it is nobody's turn, and those who wait are to find out. It may
   * not have been told of its turn yet, so this goes for one that seems to wait, too.
   */
  attend(place: Place): void {
    if (place.aheadAtFirst === 0 && !place.sawSentinel) return;
    place.onGone((error) => {
      if (wasTakenAway(error)) this.#wakeAll(place.session);
    });
  }

  /** Resolves when it is known who is behind a place, as far as that is looked for. */
  async prepared(place: Place): Promise<void> {
    await looks.get(place);
  }

  /** What gives a place up that has its turn, and tells the next in line. */
  passing(place: Place, others: readonly Op[] = []): TxnRequest {
    const [next, ...behind] = place.behind;
    const mailbox = next && this.#mailboxOf(next.key);
    const deletions = [...place.claims.map(({ key }) => remove(key)), ...others];
    // The next in line may be another place of the same object, as of who waited on a condition: it is told there.
    if (place.aheadAtFirst > 0 && mailbox !== this.mailbox) deletions.push(remove(this.mailbox));
    if (next === undefined || mailbox === undefined) {
      // Nobody who listens is known: whoever watches the sentinel must look for himself.
      if (place.aheadAtFirst > 0 || place.sawSentinel) deletions.push(remove(this.#sentinel));
      return { compare: place.guards(), success: deletions, failure: [] };
    }
    const { created, lease } = next;
    const grant = encodeGrant({ place: next.key, created, isHandOver: false, behind });
    return {
      compare: [...place.guards(), compare.mod(next.key, 'equal', created)],
      success: [...deletions, put(mailbox, grant, { lease }), put(this.#sentinel, '', { lease })],
      failure: [getPrefix(this.#prefix, { keysOnly: true })],
    };
  }

  /** What gives a place up that waits, or takes itself for one: it may have been granted its turn at this moment. */
  withdrawing(place: Place): TxnRequest {
    const oldest = compare.create(this.#range, 'greater', place.revision - 1);
    const guarded = nested({ compare: [oldest], success: [remove(this.#sentinel), remove(this.mailbox)] });
    return {
      compare: place.guards(),
      success: [...place.claims.map(({ key }) => remove(key)), guarded],
      failure: [],
    };
  }

  /** After {@link passing} was refused: whether the place stands, and it was the next that had gone. */
  isRefusedForNext(place: Place, { replies }: Pick<TxnReply, 'replies'>): boolean {
    const [seen] = replies;
    if (seen?.type !== 'range') return false;
    const stands = place.claims.every((claim) =>
      seen.kvs.some((kv) => kv.key === claim.key && kv.modRevision === claim.revision),
    );
    if (stands) place.behind = followersOf(seen.kvs, place.revision);
    return stands;
  }

  /** What tells one who waits, in whatever way, that it was handed the key of `from`. */
  handingTo(from: Place, to: KeyValue): readonly Op[] {
    const { key: place, createRevision: created, lease } = to;
    const mailbox = this.#mailboxOf(place);
    const mayStandGuard = from.aheadAtFirst > 0 || from.sawSentinel;
    // Who was told its own turn there goes; the other may be of the same object, and be told there.
    const own = from.aheadAtFirst > 0 && mailbox !== this.mailbox ? [remove(this.mailbox)] : [];
    // It does not know of the sentinel, and would leave it standing.
    if (mailbox === undefined) return mayStandGuard ? [remove(this.#sentinel), ...own] : own;
    const guard = mayStandGuard ? [put(this.#sentinel, '', { lease })] : [];
    const grant = encodeGrant({ place, created, isHandOver: true, behind: [] });
    return [put(mailbox, grant, { lease }), ...guard, ...own];
  }

  #mailboxOf(key: Key): Key | undefined {
    return mailboxOfStem(this.#base, key.slice(this.#prefix.length));
  }

  /**
   * Takes the sentinel away if it is on the lease of the session, so that all who wait look. Should another place of that session
   * have the turn by then, they watch the line as a whole for once. Tried once; they look about once a TTL in any case.
   */
  #wakeAll({ leaseId, signal }: Session): void {
    const own = compare.lease(this.#sentinel, 'equal', leaseId);
    const request = { compare: [own], success: [remove(this.#sentinel)], failure: [] };
    this.#client.store.txn(request, { repeatable: true, signal, timeoutMs: wakeWithinMs }).catch(() => {});
  }

  async #look(place: Place): Promise<void> {
    const { signal }: Session = place.session;
    try {
      const request = { ...this.#range, keysOnly: true };
      const { kvs } = await this.#client.store.range(request, { signal, timeoutMs: lookWithinMs });
      if (place.state.status === 'admitted') place.behind = followersOf(kvs, place.revision);
    } catch {
      // Then the others find out by the sentinel.
    }
  }
}
