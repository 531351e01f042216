import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Engine } from '../engine/index.js';
import { type TxnRequest, writes } from '../store/index.js';
import { unary } from './calls.js';
import type { Member } from './member.js';
import { refusals, refuse } from './refusals.js';
import { deleteMessage, putMessage, rangeMessage, txnMessage } from './replies.js';
import { deleteOpFrom, numberFrom, putOpFrom, rangeRequestFrom, txnFrom } from './requests.js';
import {
  type DeleteRangeRequestMessage,
  type PutRequestMessage,
  type RangeRequestMessage,
  type Received,
  type RevisionRequestMessage,
  type TxnRequestMessage,
  wireSize,
} from './wire.js';

export const maxTxnOperations = 128;
export const maxRequestBytes = 1.5 * 1024 * 1024;
/** What etcd adds to a request before it measures it: a request id and the lengths of the parts. */
const envelopeBytes = 16;

function checkSize(message: Received): void {
  if ((message[wireSize] ?? 0) + envelopeBytes > maxRequestBytes) refuse(refusals.requestTooLarge);
}

/** etcd's KV service: every method answers from the engine at once. */
export function kvService(engine: Engine, member: Member): UntypedServiceImplementation {
  const one = (op: TxnRequest['success'][number]) => engine.txn({ compare: [], success: [op], failure: [] });
  return {
    Range: unary((message: RangeRequestMessage) => {
      const result = engine.range(rangeRequestFrom(message));
      return rangeMessage(member.header(result.revision), result);
    }),
    Put: unary((message: PutRequestMessage) => {
      const op = putOpFrom(message);
      checkSize(message);
      const { revision, replies } = one(op);
      return putMessage(member.header(revision), replies[0]?.type === 'put' ? replies[0] : {});
    }),
    DeleteRange: unary((message: DeleteRangeRequestMessage) => {
      const op = deleteOpFrom(message);
      checkSize(message);
      const { revision, replies } = one(op);
      return deleteMessage(
        member.header(revision),
        replies[0]?.type === 'delete' ? replies[0] : { deleted: 0, prevKvs: [] },
      );
    }),
    Txn: unary((message: TxnRequestMessage) => {
      const request = txnFrom(message, maxTxnOperations);
      if (writes(request)) checkSize(message);
      const reply = engine.txn(request);
      return txnMessage(member.header(reply.revision), reply);
    }),
    Compact: unary((message: RevisionRequestMessage) => {
      engine.compact(numberFrom(message.revision));
      return { header: member.header(engine.revision) };
    }),
  };
}
