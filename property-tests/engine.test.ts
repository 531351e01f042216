import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Engine, type EngineWatchItem } from '../src/engine/index.js';
import { isQuorateError } from '../src/errors.js';
import type { KeyEvent, WatchRequest } from '../src/store/index.js';
import { validateTxn } from '../src/store/index.js';
import { NaiveModel } from '../test/engine/naive-model.js';
import { type Operation, OperationSource } from '../test/support/operations.js';

const runs = {
  numRuns: Number(process.env.QUORATE_RUNS ?? 300),
  seed: Number(process.env.QUORATE_SEED ?? Date.now()),
};
/** A shorter run is a prefix of a longer one, so shrinking `steps` finds the first operation that goes wrong. */
const plan = fc.record({ seed: fc.noShrink(fc.nat()), steps: fc.integer({ min: 1, max: 80 }) });
const everything = { key: '\0', rangeEnd: '\0' };

interface Watched {
  readonly request: WatchRequest;
  readonly from: number;
  readonly items: EngineWatchItem[];
}

/** The answer, or the code with which it was refused. */
function outcome(call: () => unknown): unknown {
  try {
    return call() ?? 'done';
  } catch (error) {
    if (isQuorateError(error) || (error instanceof Error && 'code' in error)) return { refused: error.code };
    throw error;
  }
}

function apply(engine: Engine, model: NaiveModel, operation: Operation): [engine: unknown, model: unknown] {
  switch (operation.call) {
    case 'txn': {
      const refused = outcome(() => void validateTxn(operation.request));
      if (refused !== 'done') return [outcome(() => engine.txn(operation.request)), refused];
      return [outcome(() => engine.txn(operation.request)), outcome(() => model.txn(operation.request))];
    }
    case 'range': {
      if (operation.request.key === '') return [undefined, undefined];
      const { request } = operation;
      return [
        outcome(() => ({ type: 'range', ...engine.range(request) })),
        outcome(() => ({ ...model.read(request), revision: model.revision })),
      ];
    }
    case 'grant': {
      const answer = outcome(() => engine.leaseGrant(operation.id, operation.ttlSeconds, 0));
      if (operation.ttlSeconds > 9_000_000_000) return [answer, { refused: 'invalid-argument' }];
      if (model.leases.has(operation.id)) return [answer, { refused: 'lease-exists' }];
      model.leases.add(operation.id);
      return [answer, { id: operation.id, ttlSeconds: operation.ttlSeconds }];
    }
    case 'revoke':
      return [outcome(() => engine.leaseRevoke(operation.id)), outcome(() => model.revoke(operation.id))];
    case 'compact':
      return [
        outcome(() => engine.compact(operation.revision)),
        outcome(() => model.compact(operation.revision)),
      ];
    case 'timeToLive': {
      const held = [...model.now.values()].filter((kv) => kv.lease === operation.id && kv.lease !== '0');
      return [engine.leaseTimeToLive(operation.id, 0, { keys: true }).keys, held.map((kv) => kv.key).sort()];
    }
    default:
      return [undefined, undefined];
  }
}

function open(engine: Engine, request: WatchRequest): Watched | undefined {
  const { compactRevision, revision } = engine;
  const from = request.fromRevision || revision + 1;
  // Of the compacted revision itself a watch sees what is left, which the model does not know.
  if (from === compactRevision) return undefined;
  const watched: Watched = { request, from, items: [] };
  engine.watch(request, (item) => watched.items.push(item));
  expect(watched.items[0]).toEqual({ type: 'opened', revision });
  if (from < compactRevision) {
    expect(watched.items.slice(1)).toEqual([{ type: 'compacted', fromRevision: from, compactRevision }]);
    return undefined;
  }
  return watched;
}

/** What was compacted before a watch began is gone from its history's `prevKv`. */
function withoutCompacted(events: readonly KeyEvent[], compactRevision: number): KeyEvent[] {
  return events.map(({ type, kv, prevKv }) =>
    prevKv && kv.modRevision - 1 >= compactRevision ? { type, kv, prevKv } : { type, kv },
  );
}

describe('the engine and a naive model', () => {
  test('ENGINE-4 agree on every answer, on the past, and on what watches see', () => {
    fc.assert(
      fc.property(plan, ({ seed, steps }) => {
        const engine = new Engine();
        const model = new NaiveModel();
        const source = new OperationSource(seed);
        const watches: { readonly watched: Watched; readonly compactedBefore: number }[] = [];
        for (let step = 0; step < steps; step += 1) {
          const { revision, compactRevision } = engine;
          const operation = source.next({ revision, compactRevision, kvs: engine.range(everything).kvs });
          if (operation.call === 'watch') {
            const watched = open(engine, operation.request);
            if (watched) watches.push({ watched, compactedBefore: compactRevision });
            continue;
          }
          const [answer, expected] = apply(engine, model, operation);
          expect({ operation, answer }).toEqual({ operation, answer: expected });
          expect(engine.revision).toBe(model.revision);
        }
        for (let past = Math.max(1, engine.compactRevision); past <= engine.revision; past += 1) {
          const { kvs } = engine.range({ ...everything, revision: past });
          expect(kvs).toEqual(model.read({ ...everything, revision: past }).kvs);
        }
        for (const { watched, compactedBefore } of watches) {
          const events = watched.items.flatMap((item) => (item.type === 'events' ? item.events : []));
          expect(events).toEqual(
            withoutCompacted(model.watched(watched.request, watched.from), compactedBefore),
          );
          const ends = watched.items.flatMap((item) => (item.type === 'events' ? [item.revision] : []));
          expect(ends, 'whole revisions, ascending').toEqual([...new Set(ends)].sort((a, b) => a - b));
        }
      }),
      runs,
    );
  });

  test('ENGINE-5 a restored snapshot is the same engine: same history, same hash, same future', () => {
    fc.assert(
      fc.property(plan, ({ seed, steps }) => {
        let [engine, twin] = [new Engine(), new Engine()];
        const source = new OperationSource(seed);
        for (let step = 0; step < steps; step += 1) {
          const { revision, compactRevision } = engine;
          const operation = source.next({ revision, compactRevision, kvs: engine.range(everything).kvs });
          const [answer, same] = [engine, twin].map((each) => apply(each, new NaiveModel(), operation)[0]);
          expect(same).toEqual(answer);
          if (step % 7 === 0) twin = Engine.restore(JSON.parse(JSON.stringify(twin.snapshot())), 0);
        }
        expect(twin.snapshot()).toEqual(engine.snapshot());
        expect(twin.hash()).toBe(engine.hash());
        const histories = [engine, twin].map((each) => {
          const items: EngineWatchItem[] = [];
          each.watch(
            { ...everything, fromRevision: Math.max(1, engine.compactRevision), prevKv: true },
            (item) => items.push(item),
          );
          return items;
        });
        expect(histories[1]).toEqual(histories[0]);
      }),
      runs,
    );
  });
});
