/** Transactions that may be repeated: `IF mod(k) = m THEN delete k`, of keys that only one process writes. */
import type { History } from '../../src/checkers/index.js';
import { broken } from '../../src/checkers/sentences.js';
import { compare, type Key, remove, type TxnRequest, txnOf } from '../../src/store/index.js';
import type { Call } from './calls.js';

/** Under which these keys are. */
export const heldPrefix = 'h/';

export function heldKey(process: string, key: number): Key {
  return `${heldPrefix}${process}/${key}`;
}

export function releaseOf(key: Key, revision: number): TxnRequest {
  return txnOf({ compare: [compare.mod(key, 'equal', revision)], success: [remove(key)] });
}

/** What a release is known by: the key, and the revision at which it may be deleted. Undefined for all that is none. */
export function releasedIn({ compare: [guard], success: [op] }: TxnRequest): string | undefined {
  if (op?.type !== 'delete' || !op.key.startsWith(heldPrefix) || guard?.target !== 'mod') return undefined;
  return idOf(op.key, guard.operand);
}

function idOf(key: Key, revision: number): string {
  return `${key}@${revision}`;
}

/**
 * Every deletion was asked for, of that very revision, and not only by who was told that it was not applied. Who was told
 * that it was applied deleted the key in that revision; who was told that it was not, no longer found it there.
 */
export function checkReleases(calls: readonly Call[], history: History): void {
  const releases = calls.filter(({ isRepeatable }) => isRepeatable);
  const asked = new Map<string, Call[]>();
  for (const call of releases) {
    const same = asked.get(call.sentAs);
    if (same === undefined) asked.set(call.sentAs, [call]);
    else same.push(call);
  }
  const deletions = new Map<string, number>();
  for (const key of history.keysIn({ key: heldPrefix, rangeEnd: 'h0' })) {
    for (const { type, kv } of history.eventsOf(key)) {
      if (type !== 'delete') continue;
      const id = idOf(key, history.valueAt(key, kv.modRevision - 1)?.modRevision ?? 0);
      deletions.set(id, kv.modRevision);
      const by = asked.get(id);
      const story = `${id} was deleted at revision ${kv.modRevision}`;
      if (by === undefined) broken('COMMIT-2', `${story}, and nobody had asked for that`);
      if (by.every(({ error }) => error?.outcome === 'not-applied')) {
        broken('COMMIT-2', `${story}, and who had asked for it was told ${by[0]?.error?.code}, not applied`);
      }
    }
  }
  for (const { sentAs, reply } of releases) {
    if (reply === undefined) continue;
    const { revision, succeeded } = reply;
    const deletedAt = deletions.get(sentAs) ?? Number.POSITIVE_INFINITY;
    const [key = '', mod = ''] = sentAs.split('@');
    const story = `the release of ${sentAs} was answered ${succeeded} at revision ${revision}`;
    if (succeeded && deletedAt !== revision) {
      broken('COMMIT-2', `${story}, and the key was deleted at ${deletedAt}`);
    }
    if (!succeeded && history.valueAt(key, revision)?.modRevision === Number(mod)) {
      broken('COMMIT-1', `${story}, where the key stood as it should`);
    }
  }
}
