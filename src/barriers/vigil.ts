/**
 * Who looks after the dead.
 *
 * Those who wait at a barrier are told of its release by one event on one key. That a member died, so that the release would
 * never come, is a deletion among the members' keys, and for all to watch those would cost an event each. So the one that
 * arrived first is the monitor: it watches the members, and looks when one has gone. The second watches too, but looks only
 * when the monitor has gone. All others look about once a TTL: that finds a watch which fell silent, and monitor and
 * second dead at once.
 *
 * A look reads everything at one revision and acts by what it read, so it does not matter who looks, or how often. Rank is
 * told by looks and by the replies to arrivals; one that is out of date costs time and nothing else.
 */
import { isPermanent } from '../errors.js';
import { Backoff, type Timer } from '../runtime/index.js';
import type { Client } from '../session/index.js';
import type { Key, KeyEvent, KeyRange } from '../store/index.js';
import type { HubItem, SubscribeRequest, Subscription } from '../watch/index.js';

export interface Standing {
  /** How many of those that wait arrived before the first of this process: 0 is the monitor. */
  readonly rank: number;
  /** The key of the monitor. */
  readonly monitor: Key | undefined;
  /** Of the state that showed it. */
  readonly revision: number;
}

export interface VigilOptions {
  readonly client: Client;
  /** The keys of the members. */
  readonly members: KeyRange;
  /** What monitor and second watch. Default: the deletions of members. */
  readonly watch?: SubscribeRequest;
  /** Whether there may be something to do after what happened in one revision. Default: always. */
  readonly isNews?: (events: readonly KeyEvent[]) => boolean;
  /** Of the sessions that wait. */
  readonly ttlMs: () => number;
  /** Reads the state and acts by it. Undefined where nobody of this process is among those that arrived. */
  readonly look: (signal: AbortSignal) => Promise<Standing | undefined>;
  /** A look failed in a way that no other will mend. */
  readonly onFailure: (error: unknown) => void;
}

const retryDelay = { firstMs: 20, longestMs: 1_000 };

export class Vigil {
  readonly #options: VigilOptions;
  readonly #backoff: Backoff;
  /** While there is somebody to look for. */
  #running: AbortController | undefined;
  #standing: Standing | undefined;
  #subscription: Subscription | undefined;
  #openedAt: number | undefined;
  /** Revision of the newest deletion that was told. */
  #newsAt = 0;
  #timer: Timer | undefined;
  #retry: Timer | undefined;
  #isLooking = false;
  #again = false;

  constructor(options: VigilOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.client.runtime, retryDelay);
  }

  start(): void {
    if (this.#running !== undefined) return;
    this.#running = new AbortController();
    this.#arm();
  }

  stop(): void {
    this.#running?.abort();
    this.#running = undefined;
    this.#standing = undefined;
    this.#timer?.cancel();
    this.#retry?.cancel();
    this.#retry = undefined;
    this.#unwatch();
  }

  /** What a reply told of who waits. */
  stands(standing: Standing): void {
    if (this.#running === undefined || standing.revision < (this.#standing?.revision ?? 0)) return;
    this.#standing = standing;
    if (standing.rank > 1) {
      this.#unwatch();
      return;
    }
    this.#watch();
    if (this.#openedAt !== undefined && this.#isBehind(this.#openedAt)) this.look();
  }

  /** Soon; one at a time. */
  look(): void {
    const running = this.#running;
    if (running === undefined) return;
    if (this.#isLooking) {
      this.#again = true;
      return;
    }
    this.#isLooking = true;
    this.#again = false;
    this.#retry?.cancel();
    this.#retry = undefined;
    this.#options.look(running.signal).then(
      (standing) => {
        this.#backoff.reset();
        this.#isLooking = false;
        if (standing !== undefined) this.stands(standing);
        if (this.#again) this.look();
      },
      (error: unknown) => {
        this.#isLooking = false;
        this.#failed(error);
      },
    );
  }

  #failed(error: unknown): void {
    if (this.#running !== undefined && isPermanent(error)) this.#options.onFailure(error);
    if (this.#running === undefined) return;
    this.#retry = this.#options.client.runtime.setTimer(this.#backoff.nextMs(), () => this.look(), {
      background: true,
    });
  }

  /** A watch that fell silent unnoticed, and deaths that nobody watched, are found about once a TTL. */
  #arm(): void {
    const { client, ttlMs } = this.#options;
    const delayMs = ttlMs() * (0.75 + client.runtime.random() / 2);
    const wake = () => {
      if (this.#running === undefined) return;
      if ((this.#standing?.rank ?? 2) <= 1) this.#watch();
      this.look();
      this.#arm();
    };
    this.#timer?.cancel();
    this.#timer = client.runtime.setTimer(delayMs, wake, { background: true });
  }

  #watch(): void {
    if (this.#subscription !== undefined) return;
    const { client, members, watch } = this.#options;
    const request = watch ?? { ...members, without: ['put'] as const };
    this.#subscription = client.hub.subscribe(request, (item) => this.#receive(item));
  }

  #unwatch(): void {
    this.#subscription?.close();
    this.#subscription = undefined;
    this.#openedAt = undefined;
  }

  #receive(item: HubItem): void {
    switch (item.type) {
      case 'opened':
        this.#openedAt = item.revision;
        if (this.#isBehind(item.revision)) this.look();
        return;
      case 'events': {
        const { rank, monitor } = this.#standing ?? {};
        const hasNews = this.#hasNews(item.events);
        if (hasNews) this.#newsAt = item.revision;
        const isAlone = item.events.some(({ type, kv }) => type === 'delete' && kv.key === monitor);
        if (isAlone || (hasNews && rank !== 1)) this.look();
        return;
      }
      case 'interrupted':
        this.#openedAt = undefined;
        return;
      case 'failed':
        // The timer tries again.
        this.#unwatch();
        return;
    }
  }

  /** Each revision for itself: what was done together was done by one hand. */
  #hasNews(events: readonly KeyEvent[]): boolean {
    const { isNews } = this.#options;
    if (isNews === undefined) return true;
    const revisions = new Set(events.map(({ kv }) => kv.modRevision));
    return [...revisions].some((revision) => isNews(events.filter(({ kv }) => kv.modRevision === revision)));
  }

  /** Whether somebody may have gone between the state that is known and the beginning of the watch, or since. */
  #isBehind(openedAt: number): boolean {
    return Math.max(openedAt, this.#newsAt) > (this.#standing?.revision ?? 0);
  }
}
