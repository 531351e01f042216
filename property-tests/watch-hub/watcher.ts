import { broken } from '../../src/checkers/sentences.js';
import { sleep } from '../../src/runtime/index.js';
import type { FaultKind, ProcessContext, SimulatedProcess } from '../../src/simulator/index.js';
import type { Watch, WatchRequest } from '../../src/store/index.js';
import { type HubItem, type Subscription, WatchHub } from '../../src/watch/index.js';
import { Reader } from './reader.js';
import { type Scope, type Step, scopes, type WatchWorkload } from './workload.js';

/** No watch opens again so soon. */
const cutForMs = 3;

export interface WatcherParts {
  readonly context: ProcessContext;
  readonly process: SimulatedProcess;
  readonly lingerMs: WatchWorkload['lingerMs'];
  readonly reached: (situation: string) => void;
  /** An error where it would be taken for one of a listener. */
  readonly fail: (error: unknown) => void;
  readonly revision: () => number;
  readonly compactRevision: () => number;
  /** Lets a fault begin now. */
  readonly inject: (kind: FaultKind, target: number, durationMs: number) => void;
}

/** One incarnation of a process that watches, by shared watches and by its own. */
export class Watcher {
  readonly readers: Reader[] = [];
  readonly #parts: WatcherParts;
  readonly #subscriptions = new Map<Reader, Subscription>();
  readonly #watches = new Map<Reader, Watch>();
  #hub: WatchHub;
  #isClosing = false;
  #names = 0;

  constructor(parts: WatcherParts) {
    this.#parts = parts;
    this.#hub = this.#newHub();
  }

  get isDead(): boolean {
    const { context, process } = this.#parts;
    return process.incarnation !== context.incarnation || process.status === 'crashed';
  }

  get isCore(): boolean {
    return this.#parts.process.isCore;
  }

  async live(script: readonly Step[], isStopping: () => boolean): Promise<void> {
    for (const step of script) await this.#do(step);
    while (!isStopping()) await this.#pause(500);
  }

  async #do(step: Step): Promise<void> {
    switch (step.do) {
      case 'wait':
        return this.#pause(step.ms);
      case 'compact': {
        const { context, revision } = this.#parts;
        // Refused where that is compacted already.
        await context.store.compact(Math.max(1, revision() - step.back), { timeoutMs: 500 }).catch(() => {});
        return;
      }
      case 'shake': {
        const { inject, process } = this.#parts;
        for (let member = 0; member < step.members; member += 1) inject('member-lag', member, 2 * step.ms);
        await this.#pause(step.ms / 2);
        inject('broken-watches', process.index, 1);
        await this.#pause(cutForMs);
        const [cut] = this.#subscriptions.keys();
        if (cut !== undefined) this.#subscribe(scopes.indexOf(cut.scope), false);
        return;
      }
      case 'renew': {
        const before = [...this.#subscriptions.keys()];
        this.#isClosing = true;
        await this.#hub.close();
        this.#isClosing = false;
        this.#subscriptions.clear();
        for (const reader of before) {
          if (!reader.hasEnded) this.#fail('WATCH-1', `${reader.name} was not told that its hub is closed`);
        }
        this.#hub = this.#newHub();
        return;
      }
      case 'subscribe': {
        const reader = this.#subscribe(step.scope, step.within);
        this.#leaveAfter(step.ms, () => this.#unsubscribe(reader));
        return;
      }
      case 'return': {
        const first = this.#subscribe(step.scope, false);
        await this.#pause(20);
        this.#unsubscribe(first);
        await this.#pause(step.ms);
        this.#subscribe(step.scope, false);
        return;
      }
      case 'watch':
        this.#watch(step);
        return;
    }
  }

  #newHub(): WatchHub {
    const { context, lingerMs } = this.#parts;
    return new WatchHub(context.store, context.runtime, { lingerMs });
  }

  #subscribe(index: number, within: boolean): Reader {
    const scope = scopeAt(index);
    const others = [...this.#subscriptions.keys()].filter((other) => other.scope === scope);
    const isStanding = others.some((other) => other.isOpen);
    if (others.length > 0 && !isStanding) this.#parts.reached('subscribed before the watch was open');
    const reader = this.#reader(scope, 'shared');
    let joins = within;
    const { range, ...filters } = scope;
    const subscription = this.#hub.subscribe({ ...range, ...filters }, (item) => {
      this.#hear(reader, item);
      if (item.type !== 'events' || !joins || reader.hasLeft) return;
      joins = false;
      this.#parts.reached('subscribed out of a report');
      this.#subscribe(index, false);
    });
    this.#subscriptions.set(reader, subscription);
    if (!isStanding) return reader;
    if (reader.reports[0]?.type !== 'opened') {
      this.#fail('WATCH-1', `${reader.name} joined a watch that stands open and was not told from where`);
    }
    this.#parts.reached('greeted by a watch that stood open');
    return reader;
  }

  #unsubscribe(reader: Reader): void {
    const subscription = this.#subscriptions.get(reader);
    if (subscription === undefined) return;
    this.#subscriptions.delete(reader);
    subscription.close();
    reader.hasLeft = true;
  }

  #hear(reader: Reader, item: HubItem): void {
    try {
      if (item.type === 'failed' && item.error.code !== 'closed') throw item.error;
      if (item.type === 'failed' && !this.#isClosing) {
        broken('WATCH-1', `the watch of ${reader.name} has ended, and nobody had closed it`);
      }
      this.#note(reader, item);
      reader.take(item);
    } catch (error) {
      this.#parts.fail(error);
    }
  }

  #watch({ scope: index, ms, back, resume, progress }: Extract<Step, { do: 'watch' }>): void {
    const scope = scopeAt(index);
    const { revision, compactRevision } = this.#parts;
    const far = back < 0 ? Math.max(0, compactRevision()) : Math.max(1, revision() - back);
    const fromRevision = back === 0 ? 0 : far;
    const reader = this.#reader(scope, resume === 'now' ? 'from-now' : 'resuming', fromRevision);
    const { range, ...filters } = scope;
    const request: WatchRequest = { ...range, ...filters, resume, progress, fromRevision };
    void this.#read(reader, request);
    this.#leaveAfter(ms, () => {
      reader.hasLeft = true;
      this.#watches.get(reader)?.close();
    });
  }

  /** Reads to the end; after a gap it watches anew, from now. */
  async #read(reader: Reader, request: WatchRequest): Promise<void> {
    try {
      const watch = this.#parts.context.store.watch(request);
      this.#watches.set(reader, watch);
      for await (const item of watch) {
        this.#note(reader, item);
        reader.take(item);
      }
    } catch (error) {
      this.#parts.fail(error);
    }
    if (reader.reports.at(-1)?.type !== 'compacted' || reader.hasLeft) return;
    this.#parts.reached('compacted under a watch');
    const { fromRevision, ...fromNow } = request;
    const next = this.#reader(reader.scope, reader.kind);
    await this.#read(next, fromNow);
  }

  #note(reader: Reader, item: { readonly type: string; readonly revision?: number }): void {
    const { reached, revision } = this.#parts;
    if (item.type === 'interrupted') reached('cut');
    if (item.type === 'opened' && (item.revision ?? 0) < revision())
      reached('opened at a member that was behind');
    if (item.type === 'opened' && reader.reports.at(-1)?.type === 'interrupted')
      reached('opened again after a cut');
  }

  #reader(scope: Scope, kind: Reader['kind'], fromRevision = 0): Reader {
    const { name, incarnation } = this.#parts.context;
    this.#names += 1;
    const reader = new Reader(`reader ${this.#names} of ${name}.${incarnation}`, scope, kind, fromRevision);
    this.readers.push(reader);
    return reader;
  }

  #leaveAfter(ms: number, leave: () => void): void {
    if (ms > 0) this.#parts.context.runtime.setTimer(ms, leave);
  }

  #fail(id: 'WATCH-1', evidence: string): void {
    try {
      broken(id, evidence);
    } catch (error) {
      this.#parts.fail(error);
    }
  }

  #pause(ms: number): Promise<void> {
    return sleep(this.#parts.context.runtime, ms);
  }
}

function scopeAt(index: number): Scope {
  const scope = scopes[index];
  if (scope === undefined) throw new RangeError(`no scope ${index}`);
  return scope;
}
