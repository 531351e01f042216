/**
 * Takes the steps of one sequence on all three servers at once, and compares whatever they say: replies, refusals,
 * what watches saw, and at the end the whole state and history. The first disagreement is thrown.
 */
import { isDeepStrictEqual } from 'node:util';
import { bytesOf, type Op, txnOf, type WatchRequest } from '../../src/store/index.js';
import { type Answer, answered, answerOf, type StoreCall } from './answers.js';
import type { Contestant, Trio } from './contestants.js';
import type { Coverage } from './coverage.js';
import { eventually, Follower } from './follower.js';
import { type BriefLease, briefLife, runOut, tooSlowMs } from './lease-stories.js';
import type { Situation } from './step-source.js';
import { printed, type Step } from './steps.js';

const everything = { key: '\0', rangeEnd: '\0' } as const;
const settled = bytesOf('settled');
/** The past is read at about so many revisions. */
const pastReads = 8;

/** The three did not say the same. */
export class Difference extends Error {
  readonly answers: Readonly<Record<string, unknown>>;

  constructor(what: string, answers: Readonly<Record<string, unknown>>) {
    super(what);
    this.answers = answers;
  }
}

interface Watched {
  readonly request: WatchRequest;
  readonly followers: readonly Follower[];
  /** The first revision that it is told. */
  readonly from: number;
  /** Compactions before it was opened. */
  readonly compactions: number;
}

export class Lockstep {
  readonly #trio: Trio;
  readonly #coverage: Coverage;
  #watches: Watched[] = [];
  #compactions = 0;

  constructor(trio: Trio, coverage: Coverage) {
    this.#trio = trio;
    this.#coverage = coverage;
  }

  get situation(): Situation {
    const { engine } = this.#trio;
    const { revision, compactRevision } = engine;
    const openWatches = this.#watches.filter((watched) => !hasEnded(watched)).length;
    return { revision, compactRevision, kvs: engine.range(everything).kvs, openWatches };
  }

  /** Throws a {@link Difference}. */
  async take(step: Step): Promise<void> {
    const before = this.situation;
    const answer = await this.#taken(step, before);
    this.#coverage.step(step, before, answer);
  }

  /** Compares what is left behind, then what the watches saw, and closes them. */
  async finish(): Promise<void> {
    const { revision, compactRevision } = this.#trio.engine;
    const leases = (await this.#same('all leases', (each) => answered(() => each.leases()))) as {
      reply: string[];
    };
    for (const id of leases.reply) await this.#call({ call: 'timeToLive', id, keys: true });
    await this.#same('the hash of the history', (each) => answered(() => each.hash(0)));
    const [first, last] = [Math.max(1, compactRevision), revision];
    const stride = Math.max(1, Math.ceil((last - first) / pastReads));
    for (let past = last; past >= first; past -= stride) {
      await this.#call({ call: 'range', request: { ...everything, revision: past } });
    }
    await this.#call({ call: 'range', request: everything });
    const all = { ...everything, fromRevision: first, prevKv: true };
    await this.#open({ call: 'watch', request: all, through: 'server' });
    await this.#settle(this.#watches);
    for (const watched of this.#watches) this.#count(watched);
    this.close();
  }

  close(): void {
    for (const { followers } of this.#watches) for (const follower of followers) follower.close();
    this.#watches = [];
  }

  async #taken(step: Step, before: Situation): Promise<Answer> {
    switch (step.call) {
      case 'watch':
        return this.#open(step);
      case 'closeWatch':
        return this.#closeOne(step.index);
      case 'hash':
        return this.#same(printed(step), (each) => answered(() => each.hash(step.revision)));
      case 'compact':
        return this.#compact(step, before);
      case 'briefLease':
        return this.#briefLease(step);
      case 'expiry':
        return this.#same(printed(step), (each) => runOut(each.store, step));
      default:
        return this.#call(step);
    }
  }

  #call(step: StoreCall): Promise<Answer> {
    return this.#same(printed(step), (each) => answerOf(each.store, step));
  }

  async #same(what: string, ask: (each: Contestant) => Promise<Answer>): Promise<Answer> {
    const answers = await Promise.all(this.#trio.contestants.map(ask));
    return this.#agreed(what, answers);
  }

  #agreed<T>(what: string, answers: readonly T[]): T {
    const [engine, embedded, etcd] = answers;
    if (isDeepStrictEqual(engine, etcd) && isDeepStrictEqual(embedded, etcd)) return etcd as T;
    throw new Difference(what, { engine, embedded, etcd });
  }

  async #briefLease(step: BriefLease): Promise<Answer> {
    const lives = await Promise.all(
      this.#trio.contestants.map(async ({ store }) => {
        const startedMs = performance.now();
        return { answer: await briefLife(store, step), tookMs: performance.now() - startedMs };
      }),
    );
    // On a machine that stalls the lease may have run out meanwhile, and nothing is to be said of it.
    if (lives.some(({ tookMs }) => tookMs > tooSlowMs)) return { refused: 'too slow to tell' };
    return this.#agreed(
      printed(step),
      lives.map(({ answer }) => answer),
    );
  }

  /** History that a watch still reads must not go away beneath it: how far etcd has come is chance. */
  async #compact(step: Extract<Step, { call: 'compact' }>, before: Situation): Promise<Answer> {
    if (step.revision > before.compactRevision && step.revision <= before.revision) {
      await this.#settle(this.#watches);
      await this.#rest();
    }
    const answer = await this.#call(step);
    if ('reply' in answer) {
      this.#compactions += 1;
      await this.#rest();
    }
    return answer;
  }

  async #rest(): Promise<void> {
    await Promise.all(this.#trio.contestants.map((each) => each.settled(this.#compactions)));
  }

  async #open(step: Extract<Step, { call: 'watch' }>): Promise<Answer> {
    const { request, through } = step;
    const { revision } = this.#trio.engine;
    const watched: Watched = {
      request,
      followers: this.#trio.contestants.map(
        (each) => new Follower(() => (through === 'store' ? each.store : each).watch(request)),
      ),
      from: request.fromRevision || revision + 1,
      compactions: this.#compactions,
    };
    await eventually(() => watched.followers.every((follower) => follower.answered));
    const refused = this.#agreed(
      printed(step),
      watched.followers.map((follower) => follower.refused),
    );
    if (refused !== undefined) return { refused };
    this.#watches.push(watched);
    return { reply: 'opened' };
  }

  async #closeOne(index: number): Promise<Answer> {
    const watched = this.#watches[index % Math.max(1, this.#watches.length)];
    if (watched === undefined) return { refused: 'no watch is open' };
    await this.#settle([watched]);
    this.#count(watched);
    for (const follower of watched.followers) follower.close();
    this.#watches = this.#watches.filter((other) => other !== watched);
    return { reply: 'closed' };
  }

  #count({ request, followers, compactions }: Watched): void {
    const [one] = followers;
    if (one !== undefined) this.#coverage.watch(request, one, this.#compactions > compactions);
  }

  /**
   * Waits until the watches have been told everything so far, and compares what they saw. That one has heard all shows
   * in an event that comes last, so each of them is given one: without it, an event too many could still be on its way.
   */
  async #settle(watches: readonly Watched[]): Promise<void> {
    const expecting = watches.filter(
      (watched) => !hasEnded(watched) && watched.from <= this.#trio.engine.revision + 1,
    );
    const ends = new Map<Watched, number>();
    const tell = async (told: readonly Watched[], opOn: (key: string) => Op) => {
      if (told.length === 0) return;
      const keys = new Set(told.map(({ request }) => request.key || '\0'));
      await this.#call({ call: 'txn', request: txnOf({ success: [...keys].map(opOn) }) });
      for (const watched of told) ends.set(watched, this.#trio.engine.revision);
    };
    const hears = (kind: 'put' | 'delete') => (watched: Watched) => !watched.request.without?.includes(kind);
    const onlyDeletes = expecting.filter((watched) => !hears('put')(watched) && hears('delete')(watched));
    await tell([...expecting.filter(hears('put')), ...onlyDeletes], (key) => ({
      type: 'put',
      key,
      value: settled,
    }));
    await tell(onlyDeletes, (key) => ({ type: 'delete', key }));
    for (const watched of watches) await this.#compareSeen(watched, ends.get(watched) ?? 0);
  }

  async #compareSeen(watched: Watched, end: number): Promise<void> {
    const { request, followers } = watched;
    const [reference] = followers;
    await eventually(() =>
      followers.every(
        (follower) =>
          follower.ended === reference?.ended &&
          follower.events.length === reference.events.length &&
          (follower.ended || follower.lastRevision >= end),
      ),
    );
    this.#agreed(
      `what was seen by the watch ${JSON.stringify(request)}`,
      followers.map((follower) => follower.seen()),
    );
  }
}

function hasEnded({ followers }: Watched): boolean {
  return followers.every((follower) => follower.ended);
}
