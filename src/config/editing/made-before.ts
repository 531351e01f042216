/** Whether a call was made before under its id: the heads of its documents say so, and their histories what was made. */
import { invalidArgument, QuorateError } from '../../errors.js';
import { get, getPrefix, type KeyValue, type RangeOp, txnOf } from '../../store/index.js';
import type { ConfigDocument } from '../document.js';
import type { Attribution } from '../records/attribution.js';
import { decodeHistory, type HistoryRecord } from '../records/history.js';
import type { CommitParts, ConfigChange } from './commit-change.js';
import { kvsIn, type ReadStates, readOnly } from './document-state.js';

export interface MadeChange {
  readonly change: ConfigChange;
  readonly by: Attribution;
}

/**
 * The change of this id, if it is one of the last of one of the documents. One request, and another where one of them has forgotten
 * the id. Throws `invalid-argument` where that is another than is asked for, and `conflict` where it cannot be told any more.
 */
export async function madeBefore(
  parts: CommitParts,
  { states }: ReadStates,
): Promise<MadeChange | undefined> {
  const { keys, documents, id } = parts;
  const remembered = documents.flatMap(({ name }) => {
    const found = states.get(name)?.head.recent.find((one) => one.id === id);
    return found === undefined ? [] : [{ name, number: found.number }];
  });
  if (remembered.length === 0) return undefined;
  const known = await firstOfEach(
    parts,
    remembered.map(({ name, number }) => get(keys.history(name, number))),
  );
  const one = known.find((kv) => kv !== undefined && isOfThese(decodeHistory(kv.value), documents));
  if (one === undefined) throw known.includes(undefined) ? madeLongAgo(id) : usedForOthers(id);
  const revision = one.createRevision;
  const found = new Map(remembered.map(({ name }, index) => [name, known[index]]));
  // So often were they changed since that they have forgotten it.
  const others = documents.filter(({ name }) => found.get(name)?.createRevision !== revision);
  if (others.length > 0) {
    const then = { minCreateRevision: revision, maxCreateRevision: revision };
    const ranges = others.map(({ name }) => getPrefix(keys.histories(name), then));
    const kvs = await firstOfEach(parts, ranges);
    for (const [index, { name }] of others.entries()) found.set(name, kvs[index]);
  }
  const change = { id, revision, numbers: numbersOf(parts, found) };
  const { author, atMs, reason } = decodeHistory(one.value);
  return { change, by: { author, atMs, reason } };
}

async function firstOfEach(
  { client, left }: Pick<CommitParts, 'client' | 'left'>,
  success: readonly RangeOp[],
): Promise<readonly (KeyValue | undefined)[]> {
  const { replies } = await readOnly(() => client.store.txn(txnOf({ success }), left.all()));
  return replies.map((reply) => kvsIn(reply)[0]);
}

/** Of what was made of each document. Throws where that is not what is asked for, or not there any more. */
function numbersOf(
  { documents, id, asked }: CommitParts,
  found: ReadonlyMap<string, KeyValue | undefined>,
): ReadonlyMap<string, number> {
  const numbers = new Map<string, number>();
  for (const document of documents) {
    const kv = found.get(document.name);
    if (kv === undefined) throw madeLongAgo(id);
    const made = decodeHistory(kv.value);
    numbers.set(document.name, made.number);
    if (made.action === asked.action && asked.is(made, document)) continue;
    const what = `the change id ${id} is that of another ${made.action} at revision ${kv.createRevision}`;
    throw invalidArgument(what, 'an id of its own, or the same call again');
  }
  return numbers;
}

function isOfThese(made: HistoryRecord, documents: readonly ConfigDocument<unknown>[]): boolean {
  return (
    made.documents.length === documents.length && documents.every(({ name }) => made.documents.includes(name))
  );
}

function usedForOthers(id: string): QuorateError {
  return invalidArgument(`the change id ${id} is that of a change of other documents`, 'an id of its own');
}

/** So many came since, or while it was looked for, that its history is gone. */
function madeLongAgo(id: string): QuorateError {
  const message = `the change ${id} was made, and its history is not kept any more`;
  return new QuorateError('conflict', message, { details: { change: id } });
}
