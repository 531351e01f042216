/** What the arguments of a step brought about, by name: an argument without effect proves little. */
import type { NestedTxnReply, OpReply, RangeResult, TxnReply } from '../../src/store/index.js';
import type { Answer } from './answers.js';
import type { Step } from './steps.js';

export function featuresOfAnswer(step: Step, answer: Answer): readonly string[] {
  if (!('reply' in answer)) return [];
  switch (step.call) {
    case 'txn':
      return [...txnEffects('txn', answer.reply as TxnReply)];
    case 'range':
      return [...rangeEffects('range', answer.reply as RangeResult)];
    case 'keepAlive':
      return [`keepAlive: ${answer.reply === 0 ? 'no lease' : 'lease'}`];
    case 'timeToLive': {
      const { grantedTtlSeconds, keys } = answer.reply as { grantedTtlSeconds: number; keys: unknown[] };
      return [
        `timeToLive: ${grantedTtlSeconds === 0 ? 'no lease' : 'lease'}`,
        ...(keys.length > 1 ? ['timeToLive: several keys'] : []),
      ];
    }
    case 'expiry':
      return ['expiry: watched to its end'];
    default:
      return [];
  }
}

function* txnEffects(name: string, reply: TxnReply | NestedTxnReply): Generator<string> {
  yield `${name}: ${reply.succeeded ? 'succeeded' : 'failed'}`;
  for (const op of reply.replies) yield* opEffects(op);
}

function* opEffects(reply: OpReply): Generator<string> {
  switch (reply.type) {
    case 'txn':
      yield* txnEffects('nested txn', reply);
      return;
    case 'range':
      yield* rangeEffects('range in txn', reply);
      return;
    case 'put':
      if (reply.prevKv) yield 'put: answered prevKv';
      return;
    case 'delete':
      if (reply.deleted === 0) yield 'delete: nothing';
      if (reply.deleted > 1) yield 'delete: several keys';
      if (reply.prevKvs.length > 1) yield 'delete: answered several prevKvs';
  }
}

function* rangeEffects(name: string, { kvs, count, more }: Omit<RangeResult, 'revision'>): Generator<string> {
  if (kvs.length === 0) yield `${name}: found nothing`;
  if (kvs.length > 1) yield `${name}: found several`;
  if (more) yield `${name}: more`;
  if (!more && count > kvs.length && kvs.length > 0) yield `${name}: count above what was found`;
}
