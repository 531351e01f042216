import { type Joining, type Line, Place, sendJoinings } from '../../line/index.js';
import { invariant } from '../../runtime/index.js';
import { sendDeletion } from '../../session/guarded-deletion.js';
import type { Client, Session } from '../../session/index.js';
import { compare, nested, remove } from '../../store/index.js';

export interface TakeSet {
  readonly client: Client;
  readonly session: Session;
  /** Of different locks. */
  readonly lines: readonly Line[];
  readonly owner?: string | undefined;
  /** Only if nobody stands in any of them. */
  readonly ifEmpty?: boolean;
}

interface Stand {
  readonly line: Line;
  readonly joining: Joining;
  readonly place: Place;
}

/** A place in each of several lines, all taken in one transaction, and given up in one. */
export class PlaceSet {
  readonly session: Session;
  readonly #client: Client;
  readonly #stands: readonly Stand[];

  private constructor(client: Client, session: Session, stands: readonly Stand[]) {
    this.#client = client;
    this.session = session;
    this.#stands = stands;
  }

  /**
   * One request. Undefined if it was refused: by the anchor of a session that is over, or, with `ifEmpty`, since somebody
   * stands there and for nothing else. Rejects as `sendJoinings` does, and nothing is left behind then.
   */
  static async take({ client, session, lines, owner, ifEmpty }: TakeSet): Promise<PlaceSet | undefined> {
    const says = owner === undefined ? undefined : { owner };
    const joinings = lines.map((line) => line.joining(session, { says }));
    const empty = ifEmpty ? lines.map(({ range }) => compare.create(range, 'equal', 0)) : [];
    const request = { client, session, compare: [session.guard(), ...empty], mayBeRefused: ifEmpty };
    const places = await sendJoinings({ ...request, joinings });
    if (places === undefined) return undefined;
    const stands = lines.map((line, index) => {
      const [joining, place] = [joinings[index], places[index]];
      invariant(joining !== undefined && place !== undefined, 'each line has its place');
      return { line, joining, place };
    });
    return new PlaceSet(client, session, stands);
  }

  get places(): readonly Place[] {
    return this.#stands.map(({ place }) => place);
  }

  /** Whether in each line the turn has come, at whatever revision each, and no place has gone since. */
  get isAdmitted(): boolean {
    return this.#stands.every(({ place }) => place.state.status === 'admitted');
  }

  /**
   * Waits until every turn has come: true; or until a place is gone, a part of the set was handed over, or `signal` fires:
   * false.
   *
   * A turn that a holder hands to one place of the set puts that place before others that are older in the other lines,
   * who may come to wait for it while it waits for them: a circle. Whoever waits for the rest must not keep it.
   */
  async turn(signal: AbortSignal): Promise<boolean> {
    const offs: (() => void)[] = [];
    const ended = new Promise<false>((resolve) => {
      const end = () => resolve(false);
      for (const { place } of this.#stands) offs.push(place.onGone(end));
      if (signal.aborted) end();
      signal.addEventListener('abort', end, { once: true });
      offs.push(() => signal.removeEventListener('abort', end));
      for (const { joining, place } of this.#stands) {
        place.turn.then(() => {
          // One that was handed a turn stands on the key of who had it, and may have done so from the first that is known of it.
          if (place.key !== joining.keys[0] && !this.isAdmitted) end();
        }, end);
      }
    });
    const all = Promise.all(this.#stands.map(({ place }) => place.turn)).then(() => true);
    try {
      const came = await Promise.race([ended, all]).catch(() => false);
      return came && this.isAdmitted && !signal.aborted;
    } finally {
      for (const off of offs) off();
    }
  }

  /** Has the lines watched for the places whose turn has come: the deletion of one by somebody ends it. */
  guardAgainstDeletion(): void {
    for (const { line, place } of this.#stands) line.guardAgainstDeletion(place);
  }

  /** All of it as one place, which stands as long as each of them does, and is guarded by all their guards. */
  asOne(): Place {
    const { places, session } = this;
    const asOf = Math.max(...places.map(({ asOf: seenAt }) => seenAt));
    const claims = places.flatMap((place) => place.claims);
    const one = new Place({ claims, session, revision: asOf, asOf, older: new Map() });
    const offs = places.map((place) => place.onGone((error) => one.end(error)));
    one.onGone(() => {
      for (const off of offs) off();
    });
    return one;
  }

  /**
   * Gives all places up that are left, in one transaction. Resolves once they are certainly gone, or the session is
   * over. Never rejects.
   */
  async leave(): Promise<void> {
    const left = this.#stands.filter(({ place }) => place.state.status !== 'gone');
    for (const { joining, place } of left) joining.watch.forget(place);
    const success = left.map(({ place }) => {
      return nested({ compare: place.guards(), success: place.claims.map(({ key }) => remove(key)) });
    });
    const request = { compare: [], success, failure: [] };
    const reply = left.length > 1 ? await sendDeletion(this.#client, this.session, request) : undefined;
    const settled = left.map(async ({ line, place }, index) => {
      const own = reply?.replies[index];
      if (own?.type === 'txn' && own.succeeded) line.given(place);
      // Deleted by somebody before, or, while it waited, handed the hold at that very moment.
      else await line.leave(place);
    });
    await Promise.all(settled);
  }
}
