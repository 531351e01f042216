/** What was seen of a replica of a map, and told to its listeners and followers: plain data. */

/** An entry that somebody was shown: its text, and the revision of its write. */
export interface SeenMapEntry {
  readonly name: string;
  readonly revision: number;
  readonly text: string;
}

/** What was told of one entry. null: there was none, or is none. */
export interface SeenMapChange {
  readonly name: string;
  readonly previous: SeenMapEntry | null;
  readonly current: SeenMapEntry | null;
  /** The write of this revision cannot be read. */
  readonly unreadable?: number;
}

export interface SeenMapBatch {
  readonly type: 'revision' | 'reset';
  readonly revision: number;
  readonly changes: readonly SeenMapChange[];
}

/** What was seen of a replica, in the order in which it was. */
export type ReplicaSight =
  | ({ readonly what: 'batch' } & SeenMapBatch)
  /** All of it, and how old it called itself. */
  | {
      readonly what: 'look';
      readonly revision: number;
      readonly entries: readonly SeenMapEntry[];
      readonly stalenessMs: number;
      readonly atMs: number;
    }
  /** A call of `sync` was answered. */
  | { readonly what: 'sync'; readonly calledAtMs: number; readonly revision: number };

export interface ToldReplica {
  readonly process: string;
  /** Begins with a look, at what it was loaded with. */
  readonly sights: readonly ReplicaSight[];
  /** What readers of its changes were told. */
  readonly followers: readonly (readonly SeenMapBatch[])[];
  /** By how much the rate of its clock may be wrong; infinity: it may have slept, and nobody knows how long. */
  readonly clockRateError: number;
  /** It stands to the end, and had time to come so far; its followers too. */
  readonly isStanding: boolean;
}
