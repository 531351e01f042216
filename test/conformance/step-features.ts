/** The arguments that a step uses, by name. */
import type { Compare, KeyRange, Op, RangeOp, RangeRequest, TxnRequest } from '../../src/store/index.js';
import type { Situation } from './step-source.js';
import type { Step } from './steps.js';

export function featuresOfStep(step: Step, known: Situation): readonly string[] {
  switch (step.call) {
    case 'txn':
      return [...txnFeatures(step.request, known, 1)];
    case 'range':
      return [...rangeFeatures('range', step.request, known)];
    case 'watch':
      return [
        `watch: through the ${step.through}`,
        `watch: ${subject(step.request)}`,
        `watch: ${moment(step.request.fromRevision ?? 0, known)}`,
        ...(step.request.prevKv ? ['watch: prevKv'] : []),
        ...(step.request.without ? [`watch: without ${step.request.without.join(' and ')}`] : []),
      ];
    case 'compact':
    case 'hash':
      return [`${step.call}: ${moment(step.revision, known)}`];
    case 'timeToLive':
      return [`timeToLive: ${step.keys ? 'with keys' : 'without keys'}`];
    case 'revoke': {
      const count = known.kvs.filter(({ lease }) => lease === step.id).length;
      return [`revoke: ${count === 0 ? 'no keys' : count === 1 ? 'one key' : 'several keys'}`];
    }
    case 'grant':
    case 'briefLease':
      return [
        `${step.call}: ${step.id === '0' ? 'id of the server' : step.id.startsWith('-') ? 'negative id' : 'id of the caller'}`,
        ...(step.ttlSeconds < 2 ? [`${step.call}: TTL below the least`] : []),
      ];
    default:
      return [step.call];
  }
}

function subject({ key, rangeEnd = '' }: KeyRange): string {
  if (key === '') return 'empty key';
  if (rangeEnd === '') return 'one key';
  if (rangeEnd === '\0') return key === '\0' ? 'all keys' : 'to the end';
  return key < rangeEnd ? 'range' : 'empty range';
}

/** Where a revision lies, as seen from the state. */
function moment(at: number, { revision, compactRevision }: Situation): string {
  if (at === 0) return 'revision 0';
  if (at < compactRevision) return 'below the compacted revision';
  if (at === compactRevision) return 'the compacted revision';
  if (at < revision) return 'the past';
  if (at === revision) return 'the current revision';
  return at === revision + 1 ? 'the next revision' : 'the future';
}

function* txnFeatures(request: TxnRequest, known: Situation, depth: number): Generator<string> {
  const { compare, success, failure } = request;
  yield `txn: depth ${depth}`;
  if (depth === 1 && compare.length + success.length + failure.length === 0) yield 'txn: empty';
  for (const one of compare) yield* compareFeatures(one, depth);
  for (const op of [...success, ...failure]) yield* opFeatures(op, known, depth);
}

function* compareFeatures(compare: Compare, depth: number): Generator<string> {
  yield `compare: ${compare.target} ${compare.result}`;
  yield `compare: ${compare.target} of ${subject(compare)}`;
  if (depth > 1) yield 'compare: in a nested transaction';
}

function* opFeatures(op: Op, known: Situation, depth: number): Generator<string> {
  switch (op.type) {
    case 'txn':
      yield* txnFeatures(op, known, depth + 1);
      return;
    case 'range':
      yield* rangeFeatures('range in txn', op, known);
      return;
    case 'delete':
      yield `delete: ${subject(op)}`;
      if (op.prevKv) yield 'delete: prevKv';
      return;
    case 'put': {
      const leased = op.lease !== undefined && op.lease !== '0';
      if (op.ignoreValue) yield `put: ignoreValue${leased ? ' and a lease' : ''}`;
      if (op.ignoreValue && op.value.length > 0) yield 'put: ignoreValue and a value';
      if (op.ignoreLease) yield `put: ignoreLease${leased ? ' and a lease' : ''}`;
      if (!op.ignoreLease && !op.ignoreValue) yield leased ? 'put: lease' : 'put: no lease';
      if (op.prevKv) yield 'put: prevKv';
      if (op.key === '') yield 'put: empty key';
      yield op.value.length === 0 ? 'put: empty value' : 'put: value';
      if (op.value.some((byte) => byte === 0 || byte > 0x7f)) yield 'put: binary value';
    }
  }
}

function* rangeFeatures(name: string, request: RangeRequest | RangeOp, known: Situation): Generator<string> {
  const { limit, sort, revision, keysOnly, countOnly } = request;
  yield `${name}: ${subject(request)}`;
  if (revision !== undefined) yield `${name}: ${moment(revision, known)}`;
  if (limit === 0) yield `${name}: limit 0`;
  if (limit) yield `${name}: limit`;
  if (sort) yield `${name}: sort by ${sort.target}, ${sort.order}`;
  if (sort && limit) yield `${name}: sort and limit`;
  if (keysOnly) yield `${name}: keysOnly`;
  if (countOnly) yield `${name}: countOnly`;
  if ('serializable' in request && request.serializable) yield `${name}: serializable`;
  for (const filter of [
    'minModRevision',
    'maxModRevision',
    'minCreateRevision',
    'maxCreateRevision',
  ] as const) {
    if (!request[filter]) continue;
    yield `${name}: ${filter}`;
    if (limit) yield `${name}: filter and limit`;
    if (countOnly) yield `${name}: filter and countOnly`;
  }
}
