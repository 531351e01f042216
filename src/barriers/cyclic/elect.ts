import { isQuorateError, shown } from '../../errors.js';
import { Backoff, linkedSignal, sleep } from '../../runtime/index.js';
import {
  bytesOf,
  compare,
  get,
  type KeyValue,
  nested,
  type OpReply,
  put,
  remove,
  textOf,
} from '../../store/index.js';
import { broken, encodeGeneration, type Generation, type GenerationRecord, passed } from './generation.js';
import { type CyclicKit, insist } from './kit.js';
import { brokenError, type Waiting } from './waiting.js';

export interface Election {
  readonly kit: CyclicKit;
  readonly now: Generation;
  /** The last arrival that is of this generation. */
  readonly upTo: number;
  /** Whose call it is done for. */
  readonly chosen: Waiting;
  readonly learn: (kv: KeyValue | undefined, revision: number) => void;
}

/**
 * Claims the generation, runs its action and ends it: with all who arrived, or broken where the action threw. Does nothing if
 * another was first. Rejects only before it has claimed it.
 */
export async function runAction(election: Election): Promise<void> {
  const { kit, now, upTo, chosen } = election;
  const claimed = await claim(election);
  if (claimed === undefined) return;
  const { client, keys } = kit;
  const guard = () => compare.mod(keys.elect, 'equal', claimed);
  const decided = new AbortController();
  void chosen.ended.then((outcome) =>
    decided.abort(outcome.status === 'failed' ? outcome.error : brokenError(kit.name, now)),
  );
  const end = linkedSignal(chosen.givenUp, decided.signal);
  let to: GenerationRecord;
  try {
    const context = { generation: now.generation, signal: end.signal, guard };
    await kit.settings.action?.(context);
    chosen.ranAction = true;
    to = passed(now, upTo);
  } catch (error) {
    chosen.failure = error;
    const message = error instanceof Error ? error.message : typeof error === 'string' ? error : shown(error);
    to = broken(now, { reason: 'action-failed', by: client.label, message: message.slice(0, 500) });
  } finally {
    end.unlink();
  }
  const reply = await insist(kit, chosen.member.session, {
    compare: [guard()],
    success: [
      remove(keys.elect),
      // Unless somebody has deleted it by hand, and it is another one now.
      nested({
        compare: [compare.mod(keys.generation, 'equal', now.mod)],
        success: [put(keys.generation, encodeGeneration(to))],
      }),
      get(keys.generation),
    ],
    failure: [get(keys.generation)],
  });
  if (reply !== undefined) election.learn(lastOf(reply.replies), reply.revision);
}

/** The revision of the claim; undefined if it was refused. */
async function claim({ kit, now, upTo, chosen, learn }: Election): Promise<number | undefined> {
  const { client, keys } = kit;
  const { member } = chosen;
  const { session } = member;
  const id = client.runtime.newId();
  const value = JSON.stringify({ id, label: client.label, generation: now.generation, upTo });
  try {
    const { succeeded, revision, replies } = await client.store.txn(
      {
        compare: [
          compare.mod(keys.generation, 'equal', now.mod),
          compare.create(keys.elect, 'equal', 0),
          compare.mod(member.key, 'equal', member.revision),
        ],
        success: [put(keys.elect, bytesOf(value), { lease: session.leaseId })],
        failure: [get(keys.generation)],
      },
      { signal: session.signal, timeoutMs: Number.POSITIVE_INFINITY },
    );
    if (succeeded) return revision;
    learn(lastOf(replies), revision);
    return undefined;
  } catch (error) {
    if (!isQuorateError(error) || error.outcome !== 'unknown' || session.signal.aborted) throw error;
    return findClaim(kit, chosen, id);
  }
}

/** Nobody can tell what became of the claim, but that it is settled: a claim that nobody acts on would hold up all the others. */
async function findClaim(
  { client, keys }: CyclicKit,
  { member }: Waiting,
  id: string,
): Promise<number | undefined> {
  const { signal } = member.session;
  const backoff = new Backoff(client.runtime, { firstMs: 10, longestMs: 1_000 });
  while (!signal.aborted) {
    try {
      const [elect] = (await client.store.range({ key: keys.elect }, { signal })).kvs;
      return elect !== undefined && electOf(elect)?.id === id ? elect.modRevision : undefined;
    } catch (error) {
      if (isQuorateError(error, 'closed')) return undefined;
      await sleep(client.runtime, backoff.nextMs(), { signal }).catch(() => {});
    }
  }
  return undefined;
}

/** What the key of an elect says; undefined for what nobody of this library has written. */
export function electOf({
  value,
}: Pick<KeyValue, 'value'>):
  | { readonly id: string; readonly label: string; readonly upTo: number }
  | undefined {
  try {
    const record: unknown = JSON.parse(textOf(value));
    return typeof record === 'object' && record !== null
      ? (record as { id: string; label: string; upTo: number })
      : undefined;
  } catch {
    return undefined;
  }
}

export function lastOf(replies: readonly OpReply[]): KeyValue | undefined {
  const last = replies.at(-1);
  return last?.type === 'range' ? last.kvs[0] : undefined;
}
