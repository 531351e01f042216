import type { Client } from '../session/index.js';
import type { Key, KeyEvent, KeyRange, KeyValue } from '../store/index.js';
import { decodeGrant } from './grant.js';
import { LineWatch, type Missed } from './line-watch.js';
import type { Place } from './place.js';

/** How the places of one `Line` object are told what happens. */
export interface PlaceWatch {
  beginJoin(): MissedByAll;
  endJoin(missed: MissedByAll, place: Place | undefined, follow?: boolean): void;
  follow(place: Place): void;
  followFromNow(place: Place): void;
  forget(place: Place): void;
}

/** What happened while a join was under way, by watch. */
export type MissedByAll = readonly Missed[];

export interface GrantedWatchOptions {
  readonly client: Client;
  /** All places of the line. */
  readonly range: KeyRange;
  /** The same with the sentinel. */
  readonly look: KeyRange;
  readonly sentinel: Key;
  readonly mailbox: Key;
}

/** A line that is watched as a whole, and nothing else. */
export class WholeLineWatch implements PlaceWatch {
  readonly #line: LineWatch;

  constructor(line: LineWatch) {
    this.#line = line;
  }

  beginJoin(): MissedByAll {
    return [this.#line.beginJoin()];
  }

  endJoin([missed]: MissedByAll, place: Place | undefined, follow = true): void {
    if (missed !== undefined) this.#line.endJoin(missed, place);
    if (follow && place?.state.status === 'waiting') this.#line.follow(place);
  }

  follow(place: Place): void {
    this.#line.follow(place);
  }

  followFromNow(place: Place): void {
    this.#line.followFromNow(place);
  }

  forget(place: Place): void {
    this.#line.forget(place);
  }
}

/**
 * A line whose places are granted their turn by name (see grant.ts): while it has a sentinel they watch that and their
 * mailbox, and else the whole line.
 */
export class GrantedWatch implements PlaceWatch {
  readonly #options: GrantedWatchOptions;
  readonly #line: LineWatch;
  readonly #grants: LineWatch;

  constructor(options: GrantedWatchOptions) {
    const { client, sentinel, mailbox } = options;
    this.#options = options;
    this.#line = new LineWatch(client, options.range);
    this.#grants = new LineWatch(client, options.look, {
      sources: [
        { key: mailbox, without: ['delete'] },
        { key: sentinel, without: ['put'] },
      ],
      deliver: (place, events, revision) => this.#deliver(place, events, revision),
      onSeen: (place, present) => this.#seen(place, present),
    });
  }

  beginJoin(): MissedByAll {
    return [this.#line.beginJoin(), this.#grants.beginJoin()];
  }

  endJoin([ofLine, ofGrants]: MissedByAll, place: Place | undefined, follow = true): void {
    if (ofLine !== undefined) this.#line.endJoin(ofLine, place);
    if (ofGrants !== undefined) this.#grants.endJoin(ofGrants, place);
    if (!follow || place?.state.status !== 'waiting') return;
    if (!place.sawSentinel) {
      this.#line.follow(place);
      return;
    }
    this.#grants.follow(place);
    this.#line.dismiss();
  }

  follow(place: Place): void {
    this.#line.follow(place);
  }

  followFromNow(place: Place): void {
    this.#line.followFromNow(place);
  }

  forget(place: Place): void {
    this.#line.forget(place);
    this.#grants.forget(place);
  }

  #deliver(place: Place, events: readonly KeyEvent[], revision: number): void {
    for (const { type, kv } of events) {
      if (type === 'delete') {
        if (kv.key === this.#options.sentinel) place.doubt(revision);
        continue;
      }
      const grant = decodeGrant(kv);
      if (grant === undefined || grant.place !== place.key || grant.created !== place.revision) continue;
      if (grant.isHandOver) place.deleted(revision);
      else place.granted(revision, grant.behind);
    }
  }

  /** Nobody stands guard over those who wait: from now on they do so themselves. */
  #seen(place: Place, present: ReadonlyMap<Key, KeyValue>): void {
    if (place.state.status !== 'waiting' || present.has(this.#options.sentinel)) return;
    this.#grants.forget(place);
    // The other watch may have told already of what happened after this look.
    this.#line.followFromNow(place);
  }
}
