import type { Client } from '../session/index.js';
import type { Key, KeyEvent, KeyRange, KeyValue } from '../store/index.js';
import { decodeGrant } from './grant.js';
import { JoinsUnderWay, type Missed } from './joins-under-way.js';
import { LineWatch, type LineWatchOptions } from './line-watch.js';
import type { Place } from './place.js';

/** How the places of one `Line` object are told what happens. Its watches are there while somebody needs them. */
export interface PlaceWatch {
  /** Notes what happens from here on, so that a place which is about to be taken can be told. */
  beginJoin(): Missed;
  /** Tells the place, if there is one now, what happened meanwhile, and follows it if it waits, unless not to. */
  endJoin(missed: Missed, place: Place | undefined, follow?: boolean): void;
  /** Follows a place that was not followed from its beginning. */
  followFromNow(place: Place): void;
  forget(place: Place): void;
}

/** A line that is watched as a whole, and nothing else. */
export class WholeLineWatch implements PlaceWatch {
  readonly #client: Client;
  readonly #range: KeyRange;
  readonly #options: LineWatchOptions;
  readonly #joins = new JoinsUnderWay();
  #line: LineWatch | undefined;

  constructor(client: Client, range: KeyRange, options: LineWatchOptions) {
    this.#client = client;
    this.#range = range;
    this.#options = options;
  }

  beginJoin(): Missed {
    return this.#joins.begin();
  }

  endJoin(missed: Missed, place: Place | undefined, follow = true): void {
    this.#joins.end(missed, place);
    if (follow && place?.state.status === 'waiting') this.#watch().follow(place);
  }

  followFromNow(place: Place): void {
    this.#watch().followFromNow(place);
  }

  forget(place: Place): void {
    this.#line?.forget(place);
  }

  #watch(): LineWatch {
    const onIdle = () => {
      this.#line = undefined;
    };
    const parts = { client: this.#client, range: this.#range, joins: this.#joins, onIdle };
    this.#line ??= new LineWatch(parts, this.#options);
    return this.#line;
  }
}

export interface GrantedWatchOptions {
  readonly client: Client;
  /** All places of the line. */
  readonly range: KeyRange;
  /** The same with the sentinel. */
  readonly look: KeyRange;
  readonly sentinel: Key;
  readonly mailbox: Key;
}

/**
 * A line whose places are granted their turn by name (see grant.ts): while it has a sentinel they watch that and their
 * mailbox, and else the whole line.
 */
export class GrantedWatch implements PlaceWatch {
  readonly #options: GrantedWatchOptions;
  readonly #joins = new JoinsUnderWay();
  #line: LineWatch | undefined;
  #grants: LineWatch | undefined;

  constructor(options: GrantedWatchOptions) {
    this.#options = options;
  }

  beginJoin(): Missed {
    return this.#joins.begin();
  }

  endJoin(missed: Missed, place: Place | undefined, follow = true): void {
    this.#joins.end(missed, place);
    if (!follow || place?.state.status !== 'waiting') return;
    if (!place.sawSentinel) {
      this.#ofLine().follow(place);
      return;
    }
    this.#ofGrants().follow(place);
    this.#line?.dismiss();
  }

  followFromNow(place: Place): void {
    this.#ofLine().followFromNow(place);
  }

  forget(place: Place): void {
    this.#line?.forget(place);
    this.#grants?.forget(place);
  }

  #ofLine(): LineWatch {
    const { client, range } = this.#options;
    const onIdle = () => {
      this.#line = undefined;
    };
    this.#line ??= new LineWatch({ client, range, joins: this.#joins, onIdle });
    return this.#line;
  }

  #ofGrants(): LineWatch {
    const { client, look: range, sentinel, mailbox } = this.#options;
    const onIdle = () => {
      this.#grants = undefined;
    };
    this.#grants ??= new LineWatch(
      { client, range, joins: this.#joins, onIdle },
      {
        sources: [
          { key: mailbox, without: ['delete'] },
          { key: sentinel, without: ['put'] },
        ],
        deliver: (place, events, revision) => this.#deliver(place, events, revision),
        onSeen: (place, present) => this.#seen(place, present),
      },
    );
    return this.#grants;
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
    this.#grants?.forget(place);
    // The other watch may have told already of what happened after this look.
    this.followFromNow(place);
  }
}
