import { QuorateError } from '../../errors.js';
import type { Guards } from '../../guard/index.js';
import type { Client } from '../../session/index.js';
import { type NestedTxnReply, nested, type TxnOp, type TxnRequest, writes } from '../../store/index.js';
import { untilAnswered } from './read-all.js';

/** What a commit that is under no guard, or whose guards stood, was answered. */
export interface CommitReply extends NestedTxnReply {
  readonly revision: number;
}

/**
 * Sends a commit, under its guards: `IF they stand THEN {the commit}`. Goes on until its outcome is known or the signal fires.
 * Rejects with `fenced` if one of them did not stand, with what the hold among them refuses, and as the store does.
 */
export async function sendCommit(
  client: Client,
  guards: Guards,
  commit: TxnOp,
  signal: AbortSignal,
): Promise<CommitReply> {
  const options = { signal, timeoutMs: Number.POSITIVE_INFINITY };
  const { compares, writer } = guards;
  const { compare, success, failure } = commit;
  const request: TxnRequest =
    compares.length === 0
      ? { compare, success, failure }
      : { compare: compares, success: [nested(commit)], failure: [] };
  const send = () =>
    writer === undefined ? client.store.txn(request, options) : writer.txn(request, options);
  const reply = writes(request) ? send() : untilAnswered(client, signal, send);
  const { revision, succeeded, replies } = await reply;
  if (compares.length === 0) return { type: 'txn', revision, succeeded, replies };
  const [inner] = replies;
  if (succeeded && inner?.type === 'txn') return { ...inner, revision };
  throw new QuorateError('fenced', 'the store refused the transaction: what guards it did not stand', {
    details: { guards: compares.map(({ key }) => key), revision },
  });
}
