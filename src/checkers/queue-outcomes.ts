/**
 * Whether jobs ended as a queue promises, by a replay of its whole history in the order of revisions, and whether handlers, and
 * those who waited for jobs or cancelled them, were told the truth. The queue's keys and records are told in `queues/keys.ts`.
 */
import { type ItemId, QueueKeys } from '../queues/keys.js';
import {
  type DeadLetterRecord,
  decodeControl,
  decodeDeadLetter,
  decodeItem,
  decodeTakeBack,
  type ItemTraits,
} from '../queues/records/index.js';
import { decodeResult, type ResultRecord } from '../queues/results/result-record.js';
import {
  type HistoryEntry,
  inRange,
  type Key,
  type KeyEvent,
  type KeyValue,
  textOf,
} from '../store/index.js';
import type { History } from './history.js';
import { checkTold } from './queue-told.js';
import { broken } from './sentences.js';

/** What a handler did with a job, and what it was told of that. */
export interface ToldHandler {
  readonly process: string;
  readonly id: ItemId;
  readonly generation: number;
  /** It said that the job can never succeed, in whatever way. */
  readonly rejects: boolean;
  /**
   * `completed`: acknowledged, in `revision`, with these follow-ups. `dead`: it is in the dead letters. `refused`: nothing of this
   * holder was or will be applied. `untold`: it returned or threw, or was never answered.
   */
  readonly told: 'completed' | 'dead' | 'refused' | 'untold';
  readonly revision?: number;
  readonly followUps?: readonly ItemId[];
}

/** A call of `waitForResult`, between two revisions of the store. */
export interface ToldWait {
  readonly process: string;
  readonly id: ItemId;
  readonly calledAt: number;
  readonly returnedAt: number;
  /** `pending`: it was answered nothing though everything had come to rest. `gave-up`: its process or patience had ended. */
  readonly told: 'completed' | 'dead' | 'cancelled' | 'no-result' | 'pending' | 'gave-up';
  /** The result as it was told, for `completed`. */
  readonly value?: unknown;
}

/** A call of `cancel`. Each job is cancelled by one call at most. */
export interface ToldCancel {
  readonly process: string;
  readonly id: ItemId;
  readonly calledAt: number;
  readonly returnedAt: number;
  readonly told: 'cancelled' | 'none' | 'not-applied' | 'unknown';
}

export interface QueueOutcomesCheck {
  readonly history: History;
  /** The prefix of the queue's keys: `client.keys.prefix('queue', name)`. */
  readonly prefix: Key;
  /** The prefixes of further queues that follow-ups go to. */
  readonly others?: readonly Key[];
  /**
   * A prefix of keys that nothing else writes. A handler that completes a job writes the job's id under it as the key, and as the
   * value JSON of the job's generation and of how many follow-ups it enqueues: `{ generation, followUps }`. One that only returns
   * returns the same as its result. The payload of the n-th follow-up is JSON of `[id, n]`, that of any other item is not.
   */
  readonly effects: Key;
  /** Of all workers. */
  readonly attempts: number;
  readonly maxLosses: number;
  readonly handlers: readonly ToldHandler[];
  readonly waits: readonly ToldWait[];
  readonly cancels: readonly ToldCancel[];
}

/** What was there to be checked. */
export interface QueueOutcomesCounts {
  readonly items: number;
  readonly acknowledged: number;
  readonly cancelled: number;
  readonly deadByCause: Readonly<Record<DeadLetterRecord['cause'], number>>;
  readonly results: number;
  readonly followUps: number;
}

/** An item as the history shows it, and how it ended. */
export interface SeenJob {
  readonly id: ItemId;
  readonly value: Uint8Array;
  readonly traits: ItemTraits;
  /** How often it was taken back. */
  generation: number;
  failures: number;
  losses: number;
  /** Losses that a holder of a generation knew of, by generation. */
  readonly lossesBefore: number[];
  end?: SeenEnd;
}

export interface SeenEnd {
  readonly revision: number;
  readonly way: 'acknowledged' | 'dead' | 'cancelled';
  /** Of the job as it ended. */
  readonly generation: number;
  /** What the acknowledgement says of its follow-ups. */
  readonly followUps: number;
  readonly result: ResultRecord | undefined;
  /** Of its dead letter. */
  readonly cause: DeadLetterRecord['cause'] | undefined;
}

/** The place of a follow-up in the call that put it. */
interface Origin {
  readonly id: ItemId;
  readonly parent: ItemId;
  readonly at: number;
}

/**
 * Throws `InvariantBroken` for
 * - QUEUE-17: a job that ends in no way or in two, or leaves its generation or progress behind; a dead letter without the end of
 *   its job, twice, of another content, or before its time; a job that goes on though it failed for good; a handler that is run
 *   for one that was lost with too many workers; who rejected or cancelled a job and was not told the truth;
 * - QUEUE-18: a result that was asked for and is not put as the job ends, or says something else; one that was not asked for;
 *   one on no lease; a wait that was told something else, was told too early that there is none, or missed it;
 * - QUEUE-19: follow-ups without the acknowledgement that was to put them, fewer or more of them, or in a queue that was closed;
 *   ids or an acknowledgement told that are not so;
 * - QUEUE-8: a follow-up at or below the gate.
 */
export function checkQueueOutcomes(options: QueueOutcomesCheck): QueueOutcomesCounts {
  const replay = new OutcomesReplay(options);
  for (const { entry, before } of options.history.replay()) replay.step(entry, before);
  checkTold(options, replay.jobs, replay.followUps);
  return replay.counts();
}

class OutcomesReplay {
  readonly jobs = new Map<ItemId, SeenJob>();
  /** The follow-ups that were put by each acknowledgement, by their place. */
  readonly followUps = new Map<ItemId, ItemId[]>();
  readonly #options: QueueOutcomesCheck;
  readonly #keys: QueueKeys;
  readonly #targets: readonly QueueKeys[];
  readonly #letters = new Set<Key>();
  readonly #counts = { acknowledged: 0, cancelled: 0, results: 0, followUps: 0 };
  readonly #deadByCause = { failed: 0, 'workers-lost': 0, rejected: 0 };

  constructor(options: QueueOutcomesCheck) {
    this.#options = options;
    this.#keys = new QueueKeys(options.prefix);
    this.#targets = [this.#keys, ...(options.others ?? []).map((prefix) => new QueueKeys(prefix))];
  }

  counts(): QueueOutcomesCounts {
    return { items: this.jobs.size, deadByCause: this.#deadByCause, ...this.#counts };
  }

  step({ revision, events }: HistoryEntry, before: ReadonlyMap<Key, KeyValue>): void {
    const keys = this.#keys;
    const puts = new Map(events.flatMap(({ type, kv }) => (type === 'put' ? [[kv.key, kv] as const] : [])));
    const gone = new Set(events.flatMap(({ type, kv }) => (type === 'delete' ? [kv.key] : [])));
    const ended = new Set<ItemId>();
    for (const key of gone) {
      if (!inRange(keys.items, key)) continue;
      const id = keys.nameIn(keys.items, key);
      ended.add(id);
      this.#ended(id, revision, puts, gone, before);
    }
    this.#checkStrays(events, ended, revision);
    this.#created(events, before, ended, revision);
    for (const event of events) this.#takenBack(event, ended, revision);
  }

  #ended(
    id: ItemId,
    revision: number,
    puts: ReadonlyMap<Key, KeyValue>,
    gone: ReadonlySet<Key>,
    before: ReadonlyMap<Key, KeyValue>,
  ): void {
    const keys = this.#keys;
    const job = this.jobs.get(id);
    const what = `job ${id}, which ends at revision ${revision},`;
    if (job === undefined || job.end !== undefined) broken('QUEUE-17', `${what} was not there`);
    const result = this.#resultOf(job, puts.get(keys.result(id)), what);
    const effect = puts.get(`${this.#options.effects}${id}`);
    const returned = result?.status === 'completed' ? jsonIn(result.value) : undefined;
    const mark = effect === undefined ? returned : jsonIn(effect.value);
    const letter = puts.get(keys.deadLetter(id));
    const ways = [
      ...(mark === undefined ? [] : (['acknowledged'] as const)),
      ...(letter === undefined ? [] : (['dead'] as const)),
      ...(puts.has(keys.cancellation(id)) ? (['cancelled'] as const) : []),
    ];
    const [way] = ways;
    if (way === undefined || ways.length > 1) {
      broken('QUEUE-17', `${what} is ${ways.join(' and ') || 'gone, and nothing says how'}`);
    }
    for (const left of [keys.generation(id), keys.progressOf(id)]) {
      const stands = puts.has(left) || (before.has(left) && !gone.has(left));
      if (stands) broken('QUEUE-17', `${what} ${way}, leaves ${left} behind`);
    }
    const told = { acknowledged: 'completed', dead: 'dead', cancelled: 'cancelled' }[way];
    if (result !== undefined && result.status !== told) {
      broken('QUEUE-18', `${what} is ${way}, and its result says ${result.status}`);
    }
    const { generation, followUps } = (mark ?? {}) as { generation?: number; followUps?: number };
    if (way === 'acknowledged' && generation !== job.generation) {
      broken('QUEUE-6', `${what} is acknowledged by generation ${generation}, and is in ${job.generation}`);
    }
    const cause = letter && this.#buried(job, letter, what);
    job.end = { revision, way, generation: job.generation, followUps: followUps ?? 0, result, cause };
    if (way === 'acknowledged') this.#counts.acknowledged += 1;
    if (way === 'cancelled') this.#counts.cancelled += 1;
  }

  #resultOf({ traits }: SeenJob, kv: KeyValue | undefined, what: string): ResultRecord | undefined {
    const isAsked = traits.resultMs !== undefined;
    if (kv === undefined) {
      if (isAsked) broken('QUEUE-18', `${what} leaves no result, though one was asked for`);
      return undefined;
    }
    if (!isAsked) broken('QUEUE-18', `${what} leaves a result, and nobody has asked for one`);
    if (kv.lease === '0') broken('QUEUE-18', `${what} leaves its result for ever`);
    this.#counts.results += 1;
    return decodeResult(kv.value);
  }

  #buried(job: SeenJob, kv: KeyValue, what: string): DeadLetterRecord['cause'] {
    if (this.#letters.has(kv.key)) broken('QUEUE-17', `${what} is in the dead letters for the second time`);
    this.#letters.add(kv.key);
    const { cause, failures, losses, item } = decodeDeadLetter(kv.value);
    this.#deadByCause[cause] += 1;
    if (!Buffer.from(item).equals(Buffer.from(job.value))) {
      broken(
        'QUEUE-17',
        `${what} is in the dead letters with ${item.length} of its ${job.value.length} bytes`,
      );
    }
    const attempts = job.traits.attempts ?? this.#options.attempts;
    const counted = cause === 'failed' ? job.failures + 1 : job.failures;
    if (failures !== counted || losses !== job.losses) {
      const told = `${failures} failures and ${losses} losses`;
      broken('QUEUE-17', `${what} is told to have had ${told}, and had ${counted} and ${job.losses}`);
    }
    if (cause === 'failed' && failures < attempts) {
      broken('QUEUE-17', `${what} is a dead letter after ${failures} failures of ${attempts}`);
    }
    if (cause === 'workers-lost' && losses < this.#options.maxLosses) {
      broken('QUEUE-17', `${what} is a dead letter after ${losses} losses of ${this.#options.maxLosses}`);
    }
    return cause;
  }

  /** What may only be written as a job ends. */
  #checkStrays(events: readonly KeyEvent[], ended: ReadonlySet<ItemId>, revision: number): void {
    const keys = this.#keys;
    const { effects } = this.#options;
    for (const { type, kv } of events) {
      if (type !== 'put') continue;
      const stray = (id: ItemId) => !ended.has(id);
      const at = `${kv.key} is put at revision ${revision}, in which its job does not end`;
      if (inRange(keys.deadLetters, kv.key) && stray(keys.nameIn(keys.deadLetters, kv.key))) {
        broken('QUEUE-17', at);
      }
      if (inRange(keys.results, kv.key) && stray(keys.nameIn(keys.results, kv.key))) broken('QUEUE-18', at);
      if (inRange(keys.cancellations, kv.key) && stray(keys.nameIn(keys.cancellations, kv.key))) {
        broken('QUEUE-17', at);
      }
      if (kv.key.startsWith(effects) && stray(kv.key.slice(effects.length))) broken('QUEUE-5', at);
      if (!inRange(keys.progress, kv.key)) continue;
      const id = keys.nameIn(keys.progress, kv.key);
      const isOver = this.jobs.get(id)?.end !== undefined || ended.has(id);
      if (isOver) broken('QUEUE-17', `${kv.key} is put at revision ${revision}, and its job has ended`);
    }
  }

  #created(
    events: readonly KeyEvent[],
    before: ReadonlyMap<Key, KeyValue>,
    ended: ReadonlySet<ItemId>,
    revision: number,
  ): void {
    const put = new Map<ItemId, Origin[]>();
    for (const { type, kv } of events) {
      const keys = this.#targets.find(({ items }) => inRange(items, kv.key));
      if (type !== 'put' || keys === undefined) continue;
      const id = keys.nameIn(keys.items, kv.key);
      const { payload, traits = {} } = decodeItem(kv.value);
      if (keys === this.#keys) {
        const counters = { generation: 0, failures: 0, losses: 0, lossesBefore: [0] };
        this.jobs.set(id, { id, value: kv.value, traits, ...counters });
      }
      const origin = originOf(id, jsonIn(payload));
      if (origin === undefined) continue;
      this.#checkAdmission(keys, id, before, revision);
      put.set(origin.parent, [...(put.get(origin.parent) ?? []), origin]);
    }
    for (const parent of new Set([...put.keys(), ...ended])) {
      const own = (put.get(parent) ?? []).sort((left, right) => left.at - right.at);
      const end = this.jobs.get(parent)?.end;
      const due = ended.has(parent) ? (end?.followUps ?? 0) : 0;
      if (own.length !== due || own.some(({ at }, index) => at !== index)) {
        const places = own.map(({ at }) => at).join(', ') || 'none';
        const ends = ended.has(parent) ? `ends there with ${due}` : 'does not end there';
        broken(
          'QUEUE-19',
          `at revision ${revision} follow-ups ${places} of job ${parent} enter, which ${ends}`,
        );
      }
      this.#counts.followUps += own.length;
      if (own.length > 0) {
        this.followUps.set(
          parent,
          own.map(({ id }) => id),
        );
      }
    }
  }

  #checkAdmission(keys: QueueKeys, id: ItemId, before: ReadonlyMap<Key, KeyValue>, revision: number): void {
    const gate = before.get(keys.gate);
    const what = `follow-up ${id} enters ${keys.prefix} at revision ${revision}`;
    if (gate === undefined || textOf(gate.value) >= id) {
      broken('QUEUE-8', `${what}, and the gate is at ${gate ? textOf(gate.value) : 'no place'}`);
    }
    const control = before.get(keys.control);
    if (control !== undefined && decodeControl(control.value).closed) {
      broken('QUEUE-19', `${what}, which is closed`);
    }
  }

  #takenBack({ type, kv }: KeyEvent, ended: ReadonlySet<ItemId>, revision: number): void {
    const { generations } = this.#keys;
    if (type !== 'put' || !inRange(generations, kv.key)) return;
    const id = this.#keys.nameIn(generations, kv.key);
    const job = this.jobs.get(id);
    const what = `job ${id}, taken back at revision ${revision},`;
    if (job === undefined || job.end !== undefined || ended.has(id)) {
      broken('QUEUE-17', `${what} had ended before`);
    }
    const { failures, losses, reason } = decodeTakeBack(kv.value);
    job.generation = kv.version;
    job.failures = failures;
    job.losses = losses;
    job.lossesBefore[kv.version] = losses;
    const attempts = job.traits.attempts ?? this.#options.attempts;
    if (reason === 'failed' && failures >= attempts) {
      broken('QUEUE-17', `${what} has failed ${failures} times of ${attempts}, and goes on`);
    }
  }
}

function originOf(id: ItemId, payload: unknown): Origin | undefined {
  if (!Array.isArray(payload)) return undefined;
  const [parent, at] = payload as unknown[];
  return { id, parent: String(parent), at: Number(at) };
}

function jsonIn(bytes: Uint8Array | undefined): unknown {
  return bytes === undefined ? undefined : (JSON.parse(textOf(bytes)) as unknown);
}
