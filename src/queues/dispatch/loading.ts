/**
 * What a dispatcher reads before it has a plan: as its term begins, and whenever its watch was cut.
 *
 * One read, under the term, of `h` to `i`, `beat, a/, g/, w/, x/` at one revision, sent after the term began and after the watch opened.
 * Every write of earlier terms was applied before it or never will be. Then, which of the recorded jobs still exist, and of a
 * condition queue which tasks have gathered.
 *
 * Where that takes long the last beat is repeated meanwhile: no gate has moved since, and nothing fired, so the bases hold as they did.
 * Where there is none yet, the first one tells where the levels begin. Unheard, the dispatcher would be deposed by the next candidate, and that one, reading as much, in its turn.
 */
import {
  get,
  type Key,
  type KeyValue,
  nested,
  type RangeRequest,
  type RangeResult,
  type TxnReply,
  type TxnRequest,
  txnOf,
} from '../../store/index.js';
import type { LoadedConditions } from '../conditions/messages.js';
import { conditionReads, presentTasks, storedConditions } from '../conditions/read-conditions.js';
import { type ItemId, placeOf, type QueueKeys } from '../keys.js';
import { checkKind, createGates } from '../producer/admission.js';
import { firstOf } from '../reading/first-of.js';
import { type LevelStart, levelStarts } from '../reading/starts.js';
import type { AssignedJob, Beat } from '../records/index.js';
import type { LoadedState } from './messages.js';
import { beatOf, controlOf, generationOf, jobsOfRecord, workerOf } from './reads.js';
import { type Term, underTerm } from './transactions.js';

const existenceChecksPerRead = 100;

/** How it is read. What is asked for is repeated until it is answered; undefined once the term has ended. */
export interface Loading {
  readonly send: (request: TxnRequest) => Promise<TxnReply | undefined>;
  readonly range: (request: RangeRequest) => Promise<RangeResult | undefined>;
  /** To be called before each of several reads, with the beat to be repeated. */
  readonly showLife: (beat: Beat) => Promise<void>;
}

type Beating = Pick<Loading, 'send' | 'range'> & { readonly showLife: () => Promise<void> };

/** Undefined if the term is over. */
export async function loadState(
  keys: QueueKeys,
  term: Term,
  loading: Loading,
): Promise<LoadedState | undefined> {
  const reply = await loading.send(
    underTerm(keys, term, [
      { type: 'range', ...keys.admission },
      get(keys.beat),
      { type: 'range', ...keys.presences },
      { type: 'range', ...keys.generations },
      { type: 'range', ...keys.records },
      { type: 'range', ...keys.cancellations },
      { type: 'range', ...keys.accounts, keysOnly: true, limit: 1 },
      ...(keys.kind === 'condition' ? conditionReads(keys) : []),
    ]),
  );
  if (reply === undefined || !reply.succeeded) return undefined;
  const [admission = [], beats = [], presences = [], generations = [], recordKvs = [], ...others] =
    reply.replies.map((part) => (part.type === 'range' ? part.kvs : []));
  const [cancelled = [], accounts = []] = others;
  const under = (key: Key) => admission.find((kv) => kv.key === key);
  if (under(keys.gate) === undefined) {
    // Nobody has put anything yet. Who does will find the gate, or finds it made by another meanwhile.
    await loading.send(createGates(keys, reply.revision, ['']));
    return loadState(keys, term, loading);
  }
  checkKind(keys, under(keys.kindKey));
  const [beatKv] = beats;
  const beat = beatKv && beatOf(beatKv);
  const records = recordsIn(keys, recordKvs);
  const levels = levelStarts(keys, admission, beatKv);
  const beating = { ...loading, showLife: () => loading.showLife(beat ?? firstBeat(levels)) };
  const conditions = await conditionsOf(keys, reply, levels[0]?.start ?? placeOf(0), beating);
  if (conditions === 'compacted') return loadState(keys, term, loading);
  return {
    revision: reply.revision,
    levels,
    conditions,
    timeMs: beat?.timeMs ?? 0,
    hasTimers: keys.kind === 'delay',
    control: controlOf(under(keys.control)),
    workers: presences.map((kv) => workerOf(keys, kv)),
    generations: new Map(generations.map((kv) => [keys.nameIn(keys.generations, kv.key), generationOf(kv)])),
    records,
    existing: await existing(keys, records, beating),
    cancelled: new Map(cancelled.map(({ key, value }) => [keys.nameIn(keys.cancellations, key), value])),
    hasAccounts: accounts.length > 0,
  };
}

/** No gate has moved yet. */
function firstBeat(levels: readonly LevelStart[]): Beat {
  const bases = Object.fromEntries(levels.map(({ name, start }) => [name, start]));
  return { timeMs: 0, bases, follows: true, seen: 0 };
}

/** Undefined for a queue of another kind. */
async function conditionsOf(
  keys: QueueKeys,
  reply: TxnReply,
  start: ItemId,
  { range, showLife }: Beating,
): Promise<LoadedConditions | 'compacted' | undefined> {
  if (keys.kind !== 'condition') return undefined;
  const stored = storedConditions(keys, reply.replies.slice(-2));
  const { upTo = start } = stored.released;
  const at = { from: upTo > start ? upTo : start, revision: reply.revision };
  const present = await presentTasks(keys, stored, at, async (request) => {
    await showLife();
    return range(request);
  });
  return present === 'compacted' ? present : { ...stored, present, start };
}

/** The jobs that are not done: their records outlive them a little. An item that is gone stays so. */
async function existing(
  keys: QueueKeys,
  records: ReadonlyMap<string, readonly AssignedJob[]>,
  { send, showLife }: Beating,
): Promise<ReadonlySet<ItemId>> {
  const ids = [...new Set([...records.values()].flatMap((jobs) => jobs.map((job) => job.id)))];
  const there = new Set<ItemId>();
  for (let start = 0; start < ids.length; start += existenceChecksPerRead) {
    await showLife();
    const chunk = ids.slice(start, start + existenceChecksPerRead);
    const ops = chunk.map((id) => get(keys.item(id), { keysOnly: true }));
    const reply = await send(txnOf({ success: [nested({ success: ops })] }));
    const [replies] = reply?.replies ?? [];
    if (replies?.type !== 'txn') break;
    chunk.forEach((id, index) => {
      if (firstOf(replies.replies[index]) !== undefined) there.add(id);
    });
  }
  return there;
}

/** What each worker was given. One of which only a cancellation is left has been given nothing. */
function recordsIn(keys: QueueKeys, kvs: readonly KeyValue[]): ReadonlyMap<string, readonly AssignedJob[]> {
  const records = new Map<string, AssignedJob[]>();
  for (const kv of kvs) {
    const worker = keys.workerOfRecord(kv.key);
    const jobs = keys.cancelledIn(worker, kv.key) === undefined ? jobsOfRecord(kv) : [];
    records.set(worker, [...(records.get(worker) ?? []), ...jobs]);
  }
  return records;
}
