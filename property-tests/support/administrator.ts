import fc from 'fast-check';
import type { Life } from '../../src/checkers/index.js';
import { isQuorateError } from '../../src/errors.js';
import { decodePlace } from '../../src/line/index.js';
import type { Client } from '../../src/session/index.js';
import {
  compare,
  type Key,
  type KeyValue,
  type LeaseId,
  prefixRange,
  remove,
  type Store,
} from '../../src/store/index.js';
import { pickFrom } from './pick.js';
import type { World } from './world.js';

/**
 * What somebody does with a command line, whatever the library thinks of it: delete the oldest place of a line, or the
 * newest, revoke the lease of a process, or delete the key by which its session is known.
 */
export interface Deed {
  readonly atMs: number;
  readonly kind: 'delete-oldest' | 'delete-newest' | 'revoke-lease' | 'delete-anchor';
  /** Index of the process, modulo their count. */
  readonly target: number;
}

export function deedsOf(options: {
  readonly withinMs: number;
  readonly maxLength: number;
}): fc.Arbitrary<readonly Deed[]> {
  const deed = fc.record(
    {
      kind: pickFrom<Deed['kind']>(['delete-oldest', 'delete-newest', 'revoke-lease', 'delete-anchor']),
      target: fc.nat({ max: 4 }),
      atMs: fc.nat({ max: options.withinMs }),
    },
    { noNullPrototype: true },
  );
  return fc.array(deed, { maxLength: options.maxLength });
}

/** Does the deeds, on a connection that no fault befalls, and remembers what they took away. */
export class Administrator {
  readonly #store: Store;
  readonly #world: World;
  readonly #line: Key;
  readonly #clientOf: (target: number) => Client | undefined;
  readonly #deletions = new Set<number>();
  /** Places that may have been deleted, where nobody knows what became of the request. */
  readonly #uncertain = new Set<string>();
  readonly #revoked = new Set<LeaseId>();

  constructor(options: {
    readonly world: World;
    /** The prefix of the places. */
    readonly line: Key;
    readonly clientOf: (target: number) => Client | undefined;
  }) {
    this.#world = options.world;
    this.#line = options.line;
    this.#clientOf = options.clientOf;
    this.#store = options.world.simulation.connect();
  }

  /** Lets time pass up to each of the deeds. */
  async doAll(deeds: readonly Deed[]): Promise<void> {
    for (const deed of [...deeds].sort((left, right) => left.atMs - right.atMs)) {
      await this.#world.run(Math.max(0, deed.atMs - this.#world.simulation.nowMs));
      void this.#do(deed);
    }
  }

  /** Deletes the place that stands under this key now, if there is one. Tries until it is told that it is gone. */
  async deletePlace(key: Key): Promise<void> {
    const [place] = this.#world.simulation.engine.range({ key }).kvs;
    if (place === undefined) return;
    const own = compare.mod(key, 'equal', place.modRevision);
    for (;;) {
      try {
        const request = { compare: [own], success: [remove(key)], failure: [] };
        const { revision, succeeded } = await this.#store.txn(request);
        if (succeeded) this.#deletions.add(revision);
        return;
      } catch (error) {
        if (!isQuorateError(error)) throw error;
        if (error.outcome === 'unknown') this.#uncertain.add(`${key} ${place.createRevision}`);
      }
    }
  }

  /** Deletes the place of the client with this label, the newest of them. */
  async deletePlaceOf(label: string): Promise<void> {
    const own = this.#places().filter(({ value }) => decodePlace({ value })?.record.label === label);
    const [newest] = own.slice(-1);
    if (newest !== undefined) await this.deletePlace(newest.key);
  }

  async deleteOldestPlace(): Promise<void> {
    const [oldest] = this.#places();
    if (oldest !== undefined) await this.deletePlace(oldest.key);
  }

  /** Whether this place went by a deed, of which nobody can know beforehand. */
  tookAway({ key, from, to, lease }: Life): boolean {
    const perhaps = this.#uncertain.has(`${key} ${from}`) || this.#revoked.has(lease);
    return this.#deletions.has(to) || (perhaps && Number.isFinite(to));
  }

  async #do({ kind, target }: Deed): Promise<void> {
    switch (kind) {
      case 'delete-oldest':
        return this.deleteOldestPlace();
      case 'delete-newest': {
        const newest = this.#places().at(-1);
        if (newest !== undefined) await this.deletePlace(newest.key);
        return;
      }
      default: {
        const session = await this.#clientOf(target)
          ?.session({ timeoutMs: 1_000 })
          .catch(() => undefined);
        if (session === undefined) return;
        if (kind === 'revoke-lease') {
          this.#revoked.add(session.leaseId);
          await this.#store.leaseRevoke(session.leaseId).catch(() => {});
        } else {
          const request = { compare: [], success: [remove(session.anchor)], failure: [] };
          await this.#store.txn(request).catch(() => {});
        }
      }
    }
  }

  /** The oldest first. */
  #places(): readonly KeyValue[] {
    const { engine } = this.#world.simulation;
    const line = prefixRange(this.#line);
    return engine.range({ ...line, sort: { target: 'create', order: 'ascend' } }).kvs;
  }
}
