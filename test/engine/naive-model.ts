/**
 * A second, deliberately naive telling of etcd's rules: one complete state per revision, transactions on a copy of
 * the newest, watches by comparing lists. Slow, and short enough to be read against etcd's documentation.
 */
import type {
  Compare,
  KeyEvent,
  KeyRange,
  KeyValue,
  Op,
  OpReply,
  RangeOp,
  TxnReply,
  TxnRequest,
  WatchRequest,
} from '../../src/store/index.js';

type State = ReadonlyMap<string, KeyValue>;

class Refused extends Error {
  constructor(readonly code: string) {
    super(code);
  }
}

export class NaiveModel {
  readonly states: State[] = [new Map(), new Map()];
  readonly events: KeyEvent[] = [];
  readonly leases = new Set<string>();
  compactRevision = -1;

  get revision(): number {
    return this.states.length - 1;
  }

  get now(): State {
    return this.states[this.revision] ?? new Map();
  }

  /** Does not check what needs no state; the caller leaves such requests out. */
  txn(request: TxnRequest): TxnReply {
    this.#check(request, 'put');
    this.#check(request, 'range');
    const draft = new Map(this.now);
    const written: KeyEvent[] = [];
    const { succeeded, replies } = this.#run(request, draft, written);
    if (written.length > 0) {
      this.events.push(...written);
      this.states.push(draft);
    }
    return { revision: this.revision, succeeded, replies };
  }

  read(op: Omit<RangeOp, 'type'>, state: State = this.now): Extract<OpReply, { type: 'range' }> {
    if (op.revision) this.checkRevision(op.revision);
    const source = op.revision ? (this.states[op.revision] ?? new Map()) : state;
    const all = inOrder(source, op);
    if (op.countOnly) return { type: 'range', kvs: [], count: all.length, more: false };
    let kvs = all.filter(
      (kv) =>
        op.maxModRevision === undefined || op.maxModRevision === 0 || kv.modRevision <= op.maxModRevision,
    );
    kvs = kvs.filter(
      (kv) => kv.modRevision >= (op.minModRevision ?? 0) && kv.createRevision >= (op.minCreateRevision ?? 0),
    );
    kvs = kvs.filter((kv) => !op.maxCreateRevision || kv.createRevision <= op.maxCreateRevision);
    if (op.sort) {
      const by = {
        key: (kv: KeyValue) => kv.key,
        value: (kv: KeyValue) => Buffer.from(kv.value).toString('latin1'),
        version: (kv: KeyValue) => kv.version,
        create: (kv: KeyValue) => kv.createRevision,
        mod: (kv: KeyValue) => kv.modRevision,
      }[op.sort.target];
      const sign = op.sort.order === 'ascend' ? 1 : -1;
      kvs.sort((a, b) => (by(a) < by(b) ? -sign : by(a) > by(b) ? sign : 0));
    }
    const more = !!op.limit && kvs.length > op.limit;
    if (op.limit) kvs = kvs.slice(0, op.limit);
    if (op.keysOnly) kvs = kvs.map((kv) => ({ ...kv, value: new Uint8Array(0) }));
    return { type: 'range', kvs, count: all.length, more };
  }

  checkRevision(revision: number): void {
    if (revision > this.revision) throw new Refused('future-revision');
    if (revision < this.compactRevision) throw new Refused('compacted');
  }

  compact(revision: number): void {
    if (revision <= this.compactRevision) throw new Refused('compacted');
    if (revision > this.revision) throw new Refused('future-revision');
    this.compactRevision = revision;
  }

  revoke(id: string): void {
    if (!this.leases.delete(id)) throw new Refused('lease-not-found');
    const keys = inOrder(this.now, { key: '\0', rangeEnd: '\0' }).filter((kv) => kv.lease === id);
    this.txn({ compare: [], success: keys.map(({ key }) => ({ type: 'delete', key })), failure: [] });
  }

  /** What a watch that began at `from` must have been told by now. */
  watched(request: WatchRequest, from: number): KeyEvent[] {
    return this.events
      .filter((event) => event.kv.modRevision >= from && covers(request, event.kv.key))
      .filter((event) => !(request.without ?? []).includes(event.type))
      .map((event) => {
        const created = event.type === 'put' && event.kv.createRevision === event.kv.modRevision;
        const prevKv = this.states[event.kv.modRevision - 1]?.get(event.kv.key);
        return request.prevKv && !created && prevKv ? { ...event, prevKv } : event;
      });
  }

  #holds(compare: Compare): boolean {
    const kvs = inOrder(this.now, compare);
    const missing = { version: 0, createRevision: 0, modRevision: 0, lease: '0', value: new Uint8Array(0) };
    if (kvs.length === 0 && compare.target === 'value') return false;
    return (kvs.length === 0 ? [missing] : kvs).every((kv) => {
      const [left, right] = {
        version: () => [kv.version, compare.operand],
        create: () => [kv.createRevision, compare.operand],
        mod: () => [kv.modRevision, compare.operand],
        lease: () => [BigInt(kv.lease), BigInt(String(compare.operand))],
        value: () => [latin1(kv.value), latin1(compare.operand)],
      }[compare.target]() as [number, number];
      if (compare.result === 'equal') return left === right;
      if (compare.result === 'not-equal') return left !== right;
      return compare.result === 'less' ? left < right : left > right;
    });
  }

  #taken(request: TxnRequest): { readonly succeeded: boolean; readonly ops: readonly Op[] } {
    const succeeded = request.compare.every((compare) => this.#holds(compare));
    return { succeeded, ops: succeeded ? request.success : request.failure };
  }

  #check(request: TxnRequest, type: 'put' | 'range'): void {
    for (const op of this.#taken(request).ops) {
      if (op.type === 'txn') this.#check(op, type);
      if (op.type === 'range' && type === 'range' && op.revision) this.checkRevision(op.revision);
      if (op.type !== 'put' || type !== 'put') continue;
      if ((op.ignoreValue || op.ignoreLease) && !this.now.has(op.key)) throw new Refused('key-not-found');
      if ((op.lease ?? '0') !== '0' && !this.leases.has(op.lease ?? '')) throw new Refused('lease-not-found');
    }
  }

  #run(request: TxnRequest, draft: Map<string, KeyValue>, written: KeyEvent[]): Omit<TxnReply, 'revision'> {
    const { succeeded, ops } = this.#taken(request);
    const next = this.revision + 1;
    const replies = ops.map((op): OpReply => {
      if (op.type === 'txn') return { type: 'txn', ...this.#run(op, draft, written) };
      if (op.type === 'range') return this.read(op, draft);
      if (op.type === 'delete') {
        const gone = inOrder(draft, op);
        for (const { key } of gone) {
          draft.delete(key);
          written.push({
            type: 'delete',
            kv: {
              key,
              value: new Uint8Array(0),
              createRevision: 0,
              modRevision: next,
              version: 0,
              lease: '0',
            },
          });
        }
        return { type: 'delete', deleted: gone.length, prevKvs: op.prevKv ? gone : [] };
      }
      const old = draft.get(op.key);
      const kv: KeyValue = {
        key: op.key,
        value: op.ignoreValue && old ? old.value : op.value,
        createRevision: old?.createRevision ?? next,
        modRevision: next,
        version: (old?.version ?? 0) + 1,
        lease: op.ignoreLease && old ? old.lease : (op.lease ?? '0'),
      };
      draft.set(op.key, kv);
      written.push({ type: 'put', kv });
      return op.prevKv && old ? { type: 'put', prevKv: old } : { type: 'put' };
    });
    return { succeeded, replies };
  }
}

function covers({ key: first, rangeEnd }: KeyRange, key: string): boolean {
  if (!rangeEnd) return key === first;
  return key >= first && (rangeEnd === '\0' || key < rangeEnd);
}

function inOrder(state: State, range: KeyRange): KeyValue[] {
  const keys = [...state.keys()].filter((key) => covers(range, key)).sort();
  return keys.flatMap((key) => state.get(key) ?? []);
}

function latin1(value: unknown): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : '';
}
