/** What a place is taken with, whom it waits for, and what it comes to. */
import type { QuorateError } from '../errors.js';
import type { Session } from '../session/index.js';
import type { Key, KeyValue, LeaseId, NestedTxnReply } from '../store/index.js';

/** A key of a place. */
export interface Claim {
  readonly key: Key;
  /** Revision that created it, by which it is known: names come again. */
  readonly created: number;
  /** Revision that last wrote it, by which it is guarded. */
  readonly revision: number;
}

/** When the turn of a place has come, where that is not simply when nobody is left whom it waits for. */
export interface Admission {
  /** All keys of the line at `revision`. Later changes may have been told already: what is newer counts. */
  seen?(present: ReadonlyMap<Key, KeyValue>, revision: number): void;
  /** A key that the place does not wait for was written at `revision`, or, `undefined`, deleted. */
  changed?(key: Key, kv: KeyValue | undefined, revision: number): void;
  /** `older`: the places that it waits for and that are left. */
  admits(older: ReadonlyMap<Key, number>): boolean;
}

/** What a place has come to. It only ever moves downwards in this list. */
export type PlaceState =
  /** Older places are still in the line: these keys, each with the revision that created it, as far as they are known. */
  | { readonly status: 'waiting'; readonly older: ReadonlyMap<Key, number> }
  /** In the store's state at `revision` the place stood, and nothing was left that it waits for. */
  | { readonly status: 'admitted'; readonly revision: number }
  /** The place is no more: left, handed over, deleted by somebody, or gone with its session. */
  | { readonly status: 'gone'; readonly error: QuorateError };

/** Their keys, each with the revision that created it; or how many they were, and how they are found in a look at the line. */
export type OlderPlaces =
  | ReadonlyMap<Key, number>
  | {
      readonly count: number;
      readonly find: (present: ReadonlyMap<Key, KeyValue>) => ReadonlyMap<Key, number>;
    };

export interface PlaceOptions {
  /** Its keys, the first of which ranks it. */
  readonly claims: readonly Claim[];
  readonly session: Session;
  /** Revision at which the place was taken, which is its rank in the line. */
  readonly revision: number;
  /** Revision of the state in which `older` was seen. */
  readonly asOf: number;
  /** The older places that it waits for. */
  readonly older: OlderPlaces;
  /** Default: its turn is when nobody is left in `older`. */
  readonly admission?: Admission | undefined;
  /** The name that its keys are made of, to be used again once they are gone. */
  readonly stem?: string | undefined;
  /** Default: false. */
  readonly sawSentinel?: boolean | undefined;
  /** The lease of the key that ranks it, if that is known. */
  readonly lease?: LeaseId | undefined;
  /** The reply of what was to be done if the line was empty, if that was asked for and it was. */
  readonly aloneReply?: NestedTxnReply | undefined;
}
