/**
 * Judges what a commit store answered against the history of the server behind it: the only thing it knows of
 * grouping is that transactions may share a revision. It keeps whole states and evaluates over plain maps.
 */

import type { Engine } from '../../src/engine/index.js';
import {
  evaluateTxn,
  inRange,
  type KeyRange,
  type KeyValue,
  type Op,
  type OpReply,
  type PutOp,
  type TxnReply,
  type TxnRequest,
  type TxnView,
} from '../../src/store/index.js';

type State = ReadonlyMap<string, KeyValue>;

/** A transaction that puts `marker` in every branch, and what became of it. */
export interface Observed {
  readonly marker: string;
  readonly request: TxnRequest;
  readonly reply?: TxnReply;
  readonly error?: { readonly code: string; readonly outcome: string };
}

class MapView implements TxnView {
  readonly state: Map<string, KeyValue>;
  readonly #engine: Engine;
  readonly #revision: number;

  constructor(engine: Engine, before: State, revision: number) {
    this.state = new Map(before);
    this.#engine = engine;
    this.#revision = revision;
  }

  read(range: KeyRange): readonly KeyValue[] {
    return [...this.state.values()]
      .filter((kv) => inRange(range, kv.key))
      .sort((left, right) => (left.key < right.key ? -1 : 1));
  }

  readAt(range: KeyRange, revision: number): readonly KeyValue[] {
    const { key, rangeEnd } = range;
    return this.#engine.range({ key, ...(rangeEnd === undefined ? {} : { rangeEnd }), revision }).kvs;
  }

  put(op: PutOp): KeyValue | undefined {
    const before = this.state.get(op.key);
    this.state.set(op.key, {
      key: op.key,
      value: op.ignoreValue && before ? before.value : op.value,
      createRevision: before?.createRevision ?? this.#revision,
      modRevision: this.#revision,
      version: (before?.version ?? 0) + 1,
      lease: op.ignoreLease && before ? before.lease : (op.lease ?? '0'),
    });
    return before;
  }

  delete(range: KeyRange): readonly KeyValue[] {
    const deleted = this.read(range);
    for (const { key } of deleted) this.state.delete(key);
    return deleted;
  }
}

export class CommitOracle {
  readonly #engine: Engine;
  readonly #lanePrefix: string;
  readonly #states: State[] = [new Map(), new Map()];

  /** Takes the whole history of the engine; nothing of it may have been compacted. */
  constructor(engine: Engine, lanePrefix: string) {
    this.#engine = engine;
    this.#lanePrefix = lanePrefix;
    for (let revision = 2; revision <= engine.revision; revision += 1) {
      const { kvs } = engine.range({ key: '\0', rangeEnd: '\0', revision });
      this.#states.push(new Map(kvs.map((kv) => [kv.key, kv])));
    }
  }

  /** Revisions at which the transaction took effect. */
  appliedAt({ marker }: Observed): number[] {
    return this.#states.flatMap((state, revision) =>
      state.get(marker)?.modRevision === revision ? [revision] : [],
    );
  }

  /** What the transaction alone would have answered where it was applied, but for the lane's own key. */
  expectedReply({ request }: Observed, revision: number): TxnReply {
    const { replies } = this.#apply([request], revision);
    const reply = replies.at(-1);
    if (reply?.type !== 'txn') throw new Error('a nested transaction has a nested reply');
    return { revision, succeeded: reply.succeeded, replies: reply.replies };
  }

  /** What state `revision` must be if exactly these were applied there; lane keys left out. */
  expectedState(applied: readonly Observed[], revision: number): unknown {
    const requests = applied.map(({ request }) => request);
    return this.#withoutLanes(this.#apply(requests, revision).state);
  }

  state(revision: number): unknown {
    return this.#withoutLanes(this.#stateAt(revision));
  }

  get revisions(): number[] {
    return this.#states.map((_, revision) => revision).slice(2);
  }

  /** Keys that changed at the revision, that the transaction could look at, and that it did not write itself. */
  foreignChanges({ request }: Observed, revision: number): string[] {
    const [before, after] = [this.#stateAt(revision - 1), this.#stateAt(revision)];
    return [...new Set([...before.keys(), ...after.keys()])].filter(
      (key) =>
        before.get(key)?.modRevision !== after.get(key)?.modRevision &&
        !key.startsWith(this.#lanePrefix) &&
        looksAt(request, key) &&
        !writesTo(request, key),
    );
  }

  #apply(requests: readonly TxnRequest[], revision: number): { replies: readonly OpReply[]; state: State } {
    const view = new MapView(this.#engine, this.#stateAt(revision - 1), revision);
    const lanes = [...this.#stateAt(revision).values()]
      .filter((kv) => kv.key.startsWith(this.#lanePrefix) && kv.modRevision === revision)
      .map(({ key, value, lease }): Op => ({ type: 'put', key, value, lease }));
    const members = requests.map((request): Op => ({ type: 'txn', ...request }));
    const { replies } = evaluateTxn({ compare: [], success: [...lanes, ...members], failure: [] }, view);
    return { replies, state: view.state };
  }

  #stateAt(revision: number): State {
    return this.#states[revision] ?? new Map();
  }

  #withoutLanes(state: State): [string, KeyValue][] {
    return [...state]
      .filter(([key]) => !key.startsWith(this.#lanePrefix))
      .sort(([left], [right]) => (left < right ? -1 : 1));
  }
}

function looksAt(request: TxnRequest, key: string): boolean {
  return (
    request.compare.some((compare) => inRange(compare, key)) ||
    opsOf(request).some((op) =>
      op.type === 'txn' ? looksAt(op, key) : op.type === 'range' && !op.revision && inRange(op, key),
    )
  );
}

function writesTo(request: TxnRequest, key: string): boolean {
  return opsOf(request).some((op) =>
    op.type === 'txn' ? writesTo(op, key) : op.type !== 'range' && inRange(op, key),
  );
}

function opsOf(request: TxnRequest): readonly Op[] {
  return [...request.success, ...request.failure];
}
