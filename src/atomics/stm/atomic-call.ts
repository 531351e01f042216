import { isQuorateError, QuorateError } from '../../errors.js';
import { Backoff, sleep, waitFor } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import type { Key } from '../../store/index.js';
import type { CallLimit } from './call-limit.js';
import { CommitRequest } from './commit-request.js';
import type { HotKey, Turn } from './hot-key.js';
import { HotKeys } from './hot-keys.js';
import type { AtomicallySettings } from './options.js';
import { readAll, readTxn } from './read-all.js';
import { Reads } from './reads.js';
import { Run } from './run.js';
import { sendCommit } from './send-commit.js';
import type { Snapshot } from './snapshot.js';
import type { Committed, Transaction } from './transaction.js';

export const doing = 'running a transaction';
/** A commit of more operations leaves a line by a request of its own, which might not fit otherwise. */
const mostBesideLeaving = 100;
/** After so many conflicts in a row the next run waits a little, turn or not. */
const conflictsAtOnce = 2;

/** A run that came to its end. */
interface Ended<T> {
  readonly run: Run;
  readonly request: CommitRequest;
  readonly revision: number | undefined;
  readonly isProved: boolean;
  readonly result: { readonly value: T } | { readonly thrown: unknown };
}

/** Others were first: what is there now, and the keys by which that shows. */
interface Overtaken {
  readonly seen: Snapshot;
  readonly changed: readonly Key[];
}

interface Refused extends Overtaken {
  readonly succeeded: false;
}

/** One call of `atomically`: runs its function until a run is committed. What it does about conflicts is told there. */
export class AtomicCall<T> {
  readonly #client: Client;
  readonly #function: (tx: Transaction) => Promise<T> | T;
  readonly #settings: AtomicallySettings;
  readonly #limit: CallLimit;
  readonly #hotKeys: HotKeys;
  readonly #backoff: Backoff;
  #turn: Turn | undefined;
  #runs = 0;
  #conflicts = 0;
  #inARow = 0;

  constructor(
    client: Client,
    run: (tx: Transaction) => Promise<T> | T,
    settings: AtomicallySettings,
    limit: CallLimit,
  ) {
    this.#client = client;
    this.#function = run;
    this.#settings = settings;
    this.#limit = limit;
    this.#hotKeys = HotKeys.of(client);
    this.#backoff = new Backoff(client.runtime, { firstMs: 2, longestMs: 100 });
  }

  end(): void {
    this.#turn?.end();
    this.#turn = undefined;
  }

  async untilCommitted(): Promise<Committed<T>> {
    /** What the next run begins with. */
    let known: Snapshot | undefined;
    for (;;) {
      const ended = await this.#run(known);
      known = undefined;
      if (ended === undefined) continue;
      const { run, request, result } = ended;
      if ('thrown' in result || (run.writes.size === 0 && run.guards.isEmpty)) {
        const proof = ended.isProved ? { revision: ended.revision ?? 0 } : await this.#prove(request);
        if (proof === undefined) continue;
        if ('revision' in proof) return this.#committed(result, proof.revision);
        known = await this.#afterConflict(request, proof, false);
        continue;
      }
      const mayBeOvertaken = this.#settings.rules.keepsReads && run.writes.size > 0;
      const hot = this.#turn === undefined ? this.#hotKeys.hottest(request.keys) : undefined;
      if (hot !== undefined && mayBeOvertaken) {
        await this.#stand(hot);
        known = await this.#knownInTurn(request);
        if (known !== undefined) continue;
      }
      if (this.#settings.witness?.sends() === false) continue;
      const reply = await this.#commit(ended);
      if (reply.succeeded) return this.#committed(result, reply.revision);
      this.#settings.witness?.refused();
      // Who only reads under a guard has its reads compared as well, again and again.
      known = await this.#afterConflict(request, reply, true);
    }
  }

  /** Undefined if nothing can come of it, and another run may do better. */
  async #run(known: Snapshot | undefined): Promise<Ended<T> | undefined> {
    const { rules } = this.#settings;
    const { signal } = this.#limit;
    this.#runs += 1;
    const reads = new Reads({
      rules,
      ask: (ops) => readAll(this.#client, ops, signal),
      known: (first) => {
        if (known !== undefined || !rules.keepsReads) return known;
        this.#turn ??= this.#hotKeys.tryTake(first);
        return this.#turn?.known;
      },
    });
    const run = new Run(reads);
    let result: Ended<T>['result'];
    try {
      const running = new Promise<T>((resolve) => resolve(this.#function(run)));
      result = { value: await waitFor(this.#client.runtime, running, { signal }, doing) };
    } catch (thrown) {
      result = { thrown };
    }
    run.end();
    this.#limit.check();
    if (reads.isBroken) {
      this.#turn?.overtaken(undefined);
      await this.#pause();
      return undefined;
    }
    const { set } = reads;
    const request = new CommitRequest({ rules, reads: set, writes: new Map(run.writes) });
    return { run, request, result, revision: set.revision, isProved: set.isProved || !rules.keepsReads };
  }

  #committed(result: Ended<T>['result'], revision: number): Committed<T> {
    if ('thrown' in result) throw result.thrown;
    return { value: result.value, revision, runs: this.#runs };
  }

  /**
   * Whether all that was read is still so: since when, or what has changed. Undefined if that is more than one request can ask,
   * and a run that begins with nothing known needs no proof.
   */
  async #prove(request: CommitRequest): Promise<{ readonly revision: number } | Overtaken | undefined> {
    const { compares: compare, reading: failure } = request;
    const asking = readTxn(this.#client, { compare, success: [], failure }, this.#limit.signal);
    const reply = await asking.catch((error: unknown) => {
      if (!isQuorateError(error, 'too-many-operations')) throw error;
      if (!this.#settings.rules.isSnapshot || this.#turn?.known === undefined) throw request.tooLarge(error);
      this.#turn.overtaken(undefined);
    });
    if (reply === undefined) return undefined;
    if (reply.succeeded) return { revision: reply.revision };
    const seen = request.seenIn(reply.revision, reply);
    return { seen, changed: request.overtakenAt(seen, reply) };
  }

  async #commit({
    run,
    request,
  }: Ended<T>): Promise<{ readonly succeeded: true; readonly revision: number } | Refused> {
    const turn = this.#turn;
    const leaving = request.size > mostBesideLeaving ? undefined : await turn?.leaving();
    const commit = request.txn(leaving === undefined ? [] : [leaving]);
    const reply = await sendCommit(this.#client, run.guards, commit, this.#limit.signal).catch(
      (error: unknown) => {
        throw isQuorateError(error, 'too-many-operations') ? request.tooLarge(error) : error;
      },
    );
    const { revision, succeeded, replies } = reply;
    if (succeeded) {
      turn?.committed(request.known(revision), leaving === undefined ? undefined : replies.at(-1));
      return { succeeded, revision };
    }
    const seen = request.seenIn(revision, reply);
    turn?.overtaken(seen);
    return { succeeded, seen, changed: request.overtakenAt(seen, reply) };
  }

  /**
   * Others were first. Answers what the next run begins with: what is there now, all of one state, so that who only reads is done
   * with that, and need not stand in line for it.
   */
  async #afterConflict(
    request: CommitRequest,
    { seen, changed }: Overtaken,
    mayStand: boolean,
  ): Promise<Snapshot | undefined> {
    this.#limit.check();
    this.#conflicts += 1;
    this.#inARow += 1;
    this.#hotKeys.conflicted(changed);
    if (this.#conflicts > this.#settings.maxConflicts) {
      throw new QuorateError('conflict', `others were first ${this.#conflicts} times`, {
        details: { conflicts: this.#conflicts, keys: changed },
      });
    }
    if (this.#turn !== undefined && this.#inARow <= conflictsAtOnce) return seen;
    const isInTurn = this.#turn !== undefined && changed.includes(this.#turn.key);
    const hot = isInTurn || !mayStand ? undefined : this.#hotKeys.hottest(changed);
    if (hot !== undefined) {
      await this.#stand(hot);
      if (this.#turn !== undefined) return (await this.#knownInTurn(request)) ?? seen;
    }
    if (this.#inARow < conflictsAtOnce) return seen;
    await this.#pause();
    return this.#readAgain(request);
  }

  /** Stands in the line of this key, and in no other. */
  async #stand(hot: HotKey): Promise<void> {
    this.end();
    this.#turn = await hot.take(this.#limit.signal);
    this.#limit.check();
    if (this.#turn !== undefined) this.#inARow = 0;
  }

  /** What a run in the turn begins with; undefined if there is none, or it had not to be waited for. */
  async #knownInTurn(request: CommitRequest): Promise<Snapshot | undefined> {
    if (this.#turn?.hasWaited !== true) return undefined;
    return this.#turn.known ?? this.#readAgain(request);
  }

  /** All that the last run has read, in one request. */
  async #readAgain(request: CommitRequest): Promise<Snapshot> {
    const { revision, found } = await readAll(this.#client, request.reading, this.#limit.signal);
    const replies = found.map((one) => ({ type: 'range' as const, count: one.kvs.length, ...one }));
    return request.seenIn(revision, { replies });
  }

  async #pause(): Promise<void> {
    const { signal } = this.#limit;
    await sleep(this.#client.runtime, this.#backoff.nextMs(), { signal }).catch(() => {});
    this.#limit.check();
  }
}
