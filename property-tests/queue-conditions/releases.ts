/** Looks at releases and assignments as they leave a dispatcher and come back: what changed meanwhile, and who is to act just then. */
import { releasedIn, releasedKey } from '../../src/queues/conditions/condition-keys.js';
import type { QueueKeys } from '../../src/queues/keys.js';
import { sleep } from '../../src/runtime/index.js';
import type { ProcessContext, SimulatedProcess } from '../../src/simulator/index.js';
import { inRange, type Op, type Store, type TxnReply, type TxnRequest } from '../../src/store/index.js';
import type { World } from '../support/world.js';
import type { Situation } from './situations.js';
import type { ConditionsWorkload, Decision, WorkerPlan } from './workload.js';

/** A write that somebody wants to come just before has this long to arrive, half of the time. */
const headStartMs = 80;
/** So long somebody waits for a release that does not come. */
const patienceMs = 700;

type Occasion = Exclude<Decision['with'], 'nothing'>;

interface Look {
  readonly items: ReadonlySet<string>;
  readonly gates: number;
  readonly definition: number;
  readonly releases: number;
}

export class Releases {
  readonly #world: World<ConditionsWorkload>;
  readonly #keys: QueueKeys;
  readonly #waiting: Record<Occasion, (() => void)[]> = { release: [], assignment: [], look: [] };

  constructor(world: World<ConditionsWorkload>, keys: QueueKeys) {
    this.#world = world;
    this.#keys = keys;
  }

  reached(situation: Situation): void {
    this.#world.reached(situation);
  }

  /** Resolves as the next one leaves a dispatcher. */
  next(occasion: Occasion): Promise<void> {
    return new Promise((resolve) => this.#waiting[occasion].push(resolve));
  }

  /** The store of a process, looked at. */
  watched(
    process: SimulatedProcess,
    context: ProcessContext,
    { worker: plan, late = 0 }: { readonly worker?: WorkerPlan; readonly late?: number } = {},
  ): Store {
    const { store } = context;
    let writes = 0;
    let enqueues = 0;
    const hesitate = () => {
      writes += 1;
      const durationMs = context.incarnation === 0 ? (plan?.hesitateMs ?? 0) : 0;
      if (durationMs === 0 || writes !== plan?.hesitateNth) return;
      const { simulation } = this.#world;
      simulation.inject({ atMs: simulation.nowMs, durationMs, kind: 'pause', target: process.index });
    };
    const txn = async (request: TxnRequest, send: () => Promise<TxnReply>): Promise<TxnReply> => {
      const puts = putsIn(request.success);
      if (late > 0 && puts.some((key) => inRange(this.#keys.items, key))) {
        enqueues += 1;
        if (enqueues % late === 0) await this.#nextOrPatience(context);
        return send();
      }
      const releases = puts.includes(releasedKey(this.#keys));
      const assigns = puts.some((key) => inRange(this.#keys.records, key));
      if (!releases && !assigns) return send();
      hesitate();
      const before = this.#look();
      const waiting = [
        ...(releases ? this.#waiting.release.splice(0) : []),
        ...(assigns ? this.#waiting.assignment.splice(0) : []),
      ];
      for (const resolve of waiting) resolve();
      if (waiting.length > 0) await sleep(context.runtime, context.runtime.random() * headStartMs);
      const reply = await send();
      this.#compare(before, this.#look(), { releases, assigns });
      return reply;
    };
    return {
      range: async (request, options) => {
        const reply = await store.range(request, options);
        if (request.keysOnly !== true || !inRange(this.#keys.items, request.key)) return reply;
        const waiting = this.#waiting.look.splice(0);
        for (const resolve of waiting) resolve();
        if (waiting.length > 0) await sleep(context.runtime, context.runtime.random() * headStartMs);
        return reply;
      },
      txn: (request, options) => txn(request, () => store.txn(request, options)),
      watch: (request) => store.watch(request),
      leaseGrant: (request, options) => store.leaseGrant(request, options),
      leaseKeepAlive: (id, options) => store.leaseKeepAlive(id, options),
      leaseRevoke: (id, options) => store.leaseRevoke(id, options),
      leaseTimeToLive: (id, options) => store.leaseTimeToLive(id, options),
      compact: (revision, options) => store.compact(revision, options),
      status: (options) => store.status(options),
      close: () => store.close(),
    };
  }

  async #nextOrPatience({ runtime }: ProcessContext): Promise<void> {
    await Promise.race([this.next('release'), sleep(runtime, patienceMs)]);
    await sleep(runtime, runtime.random() * headStartMs);
  }

  #look(): Look {
    const { engine } = this.#world.simulation;
    const keys = this.#keys;
    const [released] = engine.range({ key: releasedKey(keys) }).kvs;
    const { upTo = '' } = releasedIn(released);
    const gates = engine.range({ ...keys.conditions }).kvs.filter(({ key }) => key.includes('/q/gate/'));
    return {
      items: new Set(
        engine.range({ ...keys.itemsBetween(upTo, undefined), keysOnly: true }).kvs.map(({ key }) => key),
      ),
      gates: Math.max(0, ...gates.map(({ modRevision }) => modRevision)),
      definition: engine.range({ key: keys.definitionKey }).kvs[0]?.modRevision ?? 0,
      releases: released?.version ?? 0,
    };
  }

  #compare(before: Look, after: Look, { releases, assigns }: { releases: boolean; assigns: boolean }): void {
    if (assigns && before.definition !== after.definition)
      this.reached('the definition changed while an assignment was on its way');
    if (!releases) return;
    if (before.gates !== after.gates) this.reached('a gate was set while a release was on its way');
    if (after.releases !== before.releases) return;
    this.reached('a release was refused');
    if ([...after.items].some((key) => !before.items.has(key)))
      this.reached('an item came while a release was on its way');
    if ([...before.items].some((key) => !after.items.has(key)))
      this.reached('a gathered item went while a release was on its way');
  }
}

function putsIn(ops: readonly Op[]): readonly string[] {
  return ops.flatMap((op) => {
    if (op.type === 'put') return [op.key];
    return op.type === 'txn' ? putsIn(op.success) : [];
  });
}
