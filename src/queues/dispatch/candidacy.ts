/**
 * A worker's place in the line for dispatcher of its queue.
 *
 * - **Join** `IF create(anchor) = a, create(e/W) = 0 THEN put e/W leased, get e/`. The create revision is the term; the
 *   line is ordered by it, and by key among those who joined in one revision. First in line: dispatcher.
 * - **Wait**: all candidates share one watch of deletions under `e/`; it strikes off who was older. Only the second in line
 *   does more, see leader-monitor.ts.
 * - **Depose** after 1 s of silence while there is work (doubled when it had to be done again within a minute):
 *   `IF create(e/W) = mine, create(e/<old>) = its term, mod(beat) = last seen THEN delete e/<old> ELSE get e/`. What the old one still
 *   sends is refused by its term; the takeover read comes after that deletion. Refused, it learns who stands there: an old one
 *   that has gone long since would be waited for as long as the watch does not tell.
 * - **Resign** `IF create(e/W) = mine THEN delete e/W`, and where delays are counted `put beat`, the last one with the queue time of now.
 * - *Own key gone* (deposed, or deleted by hand): join again, at the tail. *Watch cut*: the line is read again, also if the reply to
 *   the join is still to come: it shows the line as it was before the cut.
 * - *Session lost*: the key goes with it; so does this object. *Reply lost*: the exactly-once store finds out; an
 *   `unknown` join is resolved by resigning whatever may be there. What cannot be deleted now is in the background.
 */
import { QuorateError } from '../../errors.js';
import { Backoff, linkedSignal, type Runtime, sleep, waitFor } from '../../runtime/index.js';
import type { Client, Session } from '../../session/index.js';
import { compare, get, type KeyValue, put, remove, type TxnRequest, txnOf } from '../../store/index.js';
import type { HubItem } from '../../watch/index.js';
import { asQuorateError } from '../failures.js';
import type { QueueKeys } from '../keys.js';
import { leaveBehindNothing } from '../leave-behind-nothing.js';
import { firstOf } from '../reading/first-of.js';
import type { Beat } from '../records/index.js';
import { Ticker } from '../schedules/ticker.js';
import { CandidateLine } from './candidate-line.js';
import { Dispatcher } from './dispatcher.js';
import { LeaderMonitor } from './leader-monitor.js';
import { resignation, type Term } from './transactions.js';

const firstPatienceMs = 1_000;
const longestPatienceMs = 16_000;
const calmMs = 60_000;
const retryDelay = { firstMs: 50, longestMs: 2_000 };
const callTimeoutMs = 10_000;
const leaveTimeoutMs = 2_000;

export interface CandidacyOptions {
  readonly client: Client;
  readonly keys: QueueKeys;
  readonly session: Session;
  readonly worker: string;
  /** See {@link Dispatcher}. */
  readonly mirror: number;
  /** Told when a term of this candidate begins and ends, and of failures. */
  readonly onChange: (change: { dispatching: boolean; term: number }) => void;
  readonly onError: (error: QuorateError) => void;
}

export class Candidacy {
  readonly #options: CandidacyOptions;
  readonly #runtime: Runtime;
  readonly #mine: string;
  #patienceMs = firstPatienceMs;
  #deposedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: CandidacyOptions) {
    this.#options = options;
    this.#runtime = options.client.runtime;
    this.#mine = options.keys.candidate(options.worker);
  }

  /** Stands, dispatches, and stands again, until told to stop; resigns then. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(this.#runtime, retryDelay);
    while (!signal.aborted) {
      try {
        await this.#stand(signal);
        backoff.reset();
      } catch (error) {
        if (signal.aborted) return;
        this.#options.onError(asQuorateError(error));
        await sleep(this.#runtime, backoff.nextMs(), { signal }).catch(() => {});
      }
    }
  }

  async #stand(signal: AbortSignal): Promise<void> {
    const { client, keys, worker } = this.#options;
    const line = new CandidateLine(this.#mine);
    let term: Term | undefined;
    let mayHaveJoined = false;
    let beat: Beat | undefined;
    const opened = line.changed();
    const subscription = client.hub.subscribe({ ...keys.candidates, without: ['put'] }, (item: HubItem) => {
      if (item.type === 'events') for (const { kv } of item.events) line.deleted(kv.key, kv.modRevision);
      else if (item.type === 'failed') line.fail(item.error);
      else if (item.type === 'opened') {
        if (!mayHaveJoined) line.wake();
        else void this.#readLine(line).catch((error: unknown) => line.fail(error));
      }
    });
    const onAbort = () => line.wake();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await opened;
      if (signal.aborted) return;
      mayHaveJoined = true;
      term = { candidate: worker, revision: await this.#join(line) };
      if (await this.#becomesFirst(line, term, signal)) beat = await this.#dispatch(term, signal);
    } finally {
      signal.removeEventListener('abort', onAbort);
      subscription.close();
      if (term !== undefined) await this.#resign(term, beat);
      else if (mayHaveJoined && signal.aborted) await this.#leave(txnOf({ success: [remove(this.#mine)] }));
    }
  }

  /** Returns the create revision of this candidate's key. */
  async #join(line: CandidateLine): Promise<number> {
    const { client, keys, session } = this.#options;
    const reply = await client.store.txn(
      txnOf({
        compare: [session.guard(), compare.create(this.#mine, 'equal', 0)],
        success: [
          put(this.#mine, '', { lease: session.leaseId }),
          { type: 'range', ...keys.candidates, keysOnly: true },
        ],
        failure: [get(this.#mine, { keysOnly: true })],
      }),
      { timeoutMs: callTimeoutMs },
    );
    const last = reply.replies.at(-1);
    if (!reply.succeeded) {
      const left = firstOf(last);
      if (left === undefined) throw new QuorateError('session-lost', 'the session of this worker has ended');
      // Of an earlier attempt whose end is not known: it cannot be this term's, so it is taken away.
      await this.#resign({ candidate: this.#options.worker, revision: left.createRevision });
      throw new QuorateError('unavailable', 'an earlier candidacy of this worker had to be ended first');
    }
    line.set(last?.type === 'range' ? last.kvs : [], reply.revision);
    return reply.revision;
  }

  async #readLine(line: CandidateLine): Promise<void> {
    const { client, keys } = this.#options;
    const read = await client.store.range(
      { ...keys.candidates, keysOnly: true },
      { timeoutMs: callTimeoutMs },
    );
    line.set(read.kvs, read.revision);
  }

  /** False if this candidate was told to stop, or its key is gone. */
  async #becomesFirst(line: CandidateLine, term: Term, signal: AbortSignal): Promise<boolean> {
    let monitored: KeyValue | undefined;
    let monitor: LeaderMonitor | undefined;
    try {
      for (;;) {
        const changed = line.changed();
        line.check();
        if (signal.aborted || line.isGone(term.revision)) return false;
        const older = line.older();
        if (older.length === 0) return true;
        const leader = older.length === 1 ? older[0] : undefined;
        if (leader?.key !== monitored?.key || line.takeDoubt()) {
          monitor?.close();
          monitored = leader;
          monitor = leader === undefined ? undefined : this.#monitor(leader, line, term);
        }
        await changed;
      }
    } finally {
      monitor?.close();
    }
  }

  #monitor(leader: KeyValue, line: CandidateLine, term: Term): LeaderMonitor {
    const { client, keys } = this.#options;
    return new LeaderMonitor({
      client,
      keys,
      patienceMs: this.#patience(),
      onSilence: (beatRevision) => {
        void this.#depose(leader, beatRevision, { line, term }).catch((error: unknown) => line.fail(error));
      },
    });
  }

  #patience(): number {
    if (this.#runtime.monotonicMs() - this.#deposedAtMs > calmMs) this.#patienceMs = firstPatienceMs;
    return this.#patienceMs;
  }

  /** Refused, there was a sign of life after all, or the line is another than it was thought to be. */
  async #depose(
    leader: KeyValue,
    beatRevision: number,
    { line, term }: { line: CandidateLine; term: Term },
  ): Promise<void> {
    const { client, keys } = this.#options;
    const reply = await client.store.txn(
      txnOf({
        compare: [
          compare.create(this.#mine, 'equal', term.revision),
          compare.create(leader.key, 'equal', leader.createRevision),
          compare.mod(keys.beat, 'equal', beatRevision),
        ],
        success: [remove(leader.key)],
        failure: [{ type: 'range', ...keys.candidates, keysOnly: true }],
      }),
      { timeoutMs: callTimeoutMs },
    );
    if (!reply.succeeded) {
      const [standing] = reply.replies;
      line.set(standing?.type === 'range' ? standing.kvs : [], reply.revision);
      line.doubt();
      return;
    }
    line.deleted(leader.key, reply.revision);
    this.#deposedAtMs = this.#runtime.monotonicMs();
    this.#patienceMs = Math.min(longestPatienceMs, this.#patienceMs * 2);
  }

  /** Answers the beat to resign with. */
  async #dispatch(term: Term, signal: AbortSignal): Promise<Beat | undefined> {
    const { client, keys, mirror, onChange, onError } = this.#options;
    onChange({ dispatching: true, term: term.revision });
    const over = new AbortController();
    const until = linkedSignal(signal, over.signal);
    const dispatcher = new Dispatcher({ client, keys, term, mirror });
    const onNext = (restMs: number | undefined) => dispatcher.nextTickIn(restMs);
    const ticker = new Ticker({ client, keys, term, onError, onNext });
    const ticking = keys.kind === 'condition' ? undefined : ticker.run(until.signal);
    try {
      await dispatcher.run(signal);
      return dispatcher.lastBeat;
    } finally {
      over.abort();
      until.unlink();
      await ticking;
      onChange({ dispatching: false, term: term.revision });
    }
  }

  #resign(term: Term, beat?: Beat): Promise<void> {
    return this.#leave(resignation(this.#options.keys, term, beat));
  }

  async #leave(request: TxnRequest): Promise<void> {
    const { client, session } = this.#options;
    const left = leaveBehindNothing(client, session, request);
    await waitFor(this.#runtime, left, { timeoutMs: leaveTimeoutMs }, 'resigning').catch(() => {});
  }
}
