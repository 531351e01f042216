/**
 * How a reader becomes a writer without letting go: it puts a write key beside its read key where no other write key stands,
 * and waits for the read places that stood then. See the head of read-write-lock.ts.
 */
import { isPermanent, isQuorateError, QuorateError } from '../../errors.js';
import { type Admission, Place, readLine, sendJoinings } from '../../line/index.js';
import { Backoff, sharedController, sleep, type WaitOptions, waitFor } from '../../runtime/index.js';
import { compare, type Key } from '../../store/index.js';
import { orDeadlock } from '../deadlock/detector.js';
import { ownerOf } from '../waiting/owner.js';
import type { WriteHold } from './holds.js';
import type { PlaceReadHold } from './read-hold.js';
import type { ReadPlace } from './read-place.js';
import { renewReadKey } from './renew-read-key.js';
import { isReadKey, isWriteKey, ownReadKey, writeKeyBeside, writersOf } from './shapes.js';

export function upgradeConflict(name: string, other?: Key): QuorateError {
  return new QuorateError(
    'upgrade-conflict',
    `somebody else waits to write under the lock ${JSON.stringify(name)}: each would wait for the other`,
    other === undefined ? {} : { details: { other } },
  );
}

/** One attempt to turn a read place into a writer's, until it has succeeded or nothing is left of it. */
export class Upgrade {
  /** Resolves when it has succeeded, or nothing is left of it. */
  readonly over: Promise<void>;
  readonly #readers: ReadPlace;
  readonly #hold: PlaceReadHold;
  /** Fires when it is given up, and when the hold that it began from is over. */
  readonly #stop = sharedController();
  #end: () => void = () => {};

  constructor(readers: ReadPlace, hold: PlaceReadHold) {
    this.#readers = readers;
    this.#hold = hold;
    this.over = new Promise((resolve) => {
      this.#end = resolve;
    });
    void hold.released.then(() => this.#stop.abort(whyOver(readers.place)));
  }

  get isGivenUp(): boolean {
    return this.#stop.signal.aborted;
  }

  async hold(options: WaitOptions, doing: string): Promise<WriteHold> {
    const { client, line } = this.#readers.kit;
    const attempt = this.#untilAlone(doing);
    try {
      const claim = await waitFor(client.runtime, attempt, options, doing);
      // After a pause the clock is asked before anything is granted, and what stood still may go on.
      await this.#hold.confirm();
      const hold = this.#turn(claim);
      this.#end();
      return hold;
    } catch (error) {
      this.#stop.abort(error);
      // It may have come to its end at this very moment.
      void attempt
        .then(
          (claim) => line.leave(claim),
          () => {},
        )
        .then(this.#end);
      throw error;
    }
  }

  /** The place of the write key, once nobody else holds and no write of a reader of this place can come any more. */
  async #untilAlone(doing: string): Promise<Place> {
    const { kit, place } = this.#readers;
    const { runtime } = kit.client;
    const stop = { signal: this.#stop.signal };
    const backoff = new Backoff(runtime, { firstMs: 10, longestMs: 1_000 });
    for (;;) {
      let claim: Place | undefined;
      try {
        claim = await this.#claim();
        if (claim === undefined) throw await this.#whyRefused();
        await this.#turnOf(claim, waitFor(runtime, claim.turn, stop, doing));
        await waitFor(runtime, this.#readers.onlyHeldBy(this.#hold), stop, doing);
        this.#hold.pauseWrites(this.over);
        const isSettled = await waitFor(runtime, this.#hold.settled(), stop, doing);
        if (!isSettled || !this.#readers.isSettled) await renewReadKey(kit.client, place, claim, stop.signal);
        if (claim.state.status === 'admitted') return claim;
      } catch (error) {
        if (claim !== undefined) await kit.line.leave(claim);
        if (stop.signal.aborted) throw stop.signal.reason;
        if (place.state.status === 'gone') throw place.state.error;
        if (isPermanent(error) || isQuorateError(error, 'upgrade-conflict')) throw error;
      }
      await sleep(runtime, backoff.nextMs(), stop).catch(() => {});
      if (stop.signal.aborted) throw stop.signal.reason;
    }
  }

  /** Two owners that hold to read and wait for each other elsewhere, one of them here: a circle like any other. */
  #turnOf(claim: Place, turn: Promise<number>): Promise<number> {
    const { kit, owner } = this.#readers;
    return orDeadlock({ client: kit.client, owner: ownerOf({ owner }), places: [claim] }, turn);
  }

  /** Puts the write key. Undefined if that was refused. */
  async #claim(): Promise<Place | undefined> {
    const { kit, place, owner } = this.#readers;
    const { client, line } = kit;
    const own = ownReadKey(line, place);
    const writeKey = writeKeyBeside(line, place);
    const joining = line.joining(place.session, {
      ...(owner === undefined ? {} : { says: { owner } }),
      shape: {
        keys: () => [writeKey],
        waitsFor: (key) => isReadKey(key) && key !== own,
        admission: whileStanding(place),
      },
    });
    const [claim] =
      (await sendJoinings({
        ...{ client, session: place.session, joinings: [joining] },
        // Nobody who has queued to write is overtaken, nor does anybody else upgrade: each would wait for the other.
        compare: [place.session.guard(), ...place.guards(), compare.create(writersOf(line), 'equal', 0)],
      })) ?? [];
    return claim;
  }

  async #whyRefused(): Promise<QuorateError> {
    const { kit, place } = this.#readers;
    const { session } = place;
    const { kvs, revision } = await readLine(kit.client, kit.line.range, { signal: session.signal });
    if (!stands(place, kvs)) place.deleted(revision);
    const other = kvs.find(({ key }) => isWriteKey(kit.line, key))?.key;
    // What has refused it was there then, be it gone by now; if it was not the session's own end.
    if (other === undefined) await session.verify({ signal: session.signal }).catch(() => {});
    return place.state.status === 'gone' ? place.state.error : upgradeConflict(kit.name, other);
  }

  /** In one breath: the read hold is over, and the write hold stands. */
  #turn(claim: Place): WriteHold {
    const { kit, place, owner } = this.#readers;
    if (place.state.status !== 'admitted' || claim.state.status !== 'admitted') throw whyOver(place);
    this.#hold.assertHeld();
    const { session, stem, revision } = place;
    const written = new Place({
      ...{ claims: [...place.claims, ...claim.claims], session, stem, revision },
      ...{ asOf: claim.state.revision, older: new Map() },
    });
    this.#readers.turned();
    const hold = kit.writeHold({ place: written, owner });
    place.end(
      new QuorateError('hold-lost', "the hold was turned into a writer's", { details: { givenUp: true } }),
    );
    kit.line.given(claim);
    return hold;
  }
}

/** When nobody is left in front, as long as the read place stands: what goes before it is no proof after it has gone. */
function whileStanding(place: Place): Admission {
  return {
    seen: (present, revision) => {
      if (!stands(place, [...present.values()])) place.deleted(revision);
    },
    changed: (key, kv, revision) => {
      if (key === place.key && kv === undefined) place.deleted(revision);
    },
    admits: (older) => place.state.status === 'admitted' && older.size === 0,
  };
}

function stands(
  place: Place,
  kvs: readonly { readonly key: Key; readonly createRevision: number }[],
): boolean {
  return kvs.some(({ key, createRevision }) => {
    return key === place.key && createRevision === place.claims[0]?.created;
  });
}

function whyOver({ state }: Place): QuorateError {
  if (state.status === 'gone' && state.error.details.givenUp !== true) return state.error;
  return new QuorateError('hold-lost', 'the hold was released before it could be upgraded');
}
