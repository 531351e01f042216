/** Looks at releases and assignments as they leave a dispatcher and come back: what changed meanwhile, and who is to act just then. */
import { releasedIn, releasedKey } from '../../src/queues/conditions/condition-keys.js';
import type { QueueKeys } from '../../src/queues/keys.js';
import { sleep } from '../../src/runtime/index.js';
import type { ProcessContext, SimulatedProcess } from '../../src/simulator/index.js';
import { inRange, type Store, type TxnReply, type TxnRequest } from '../../src/store/index.js';
import { plainOpsIn } from '../support/plain-ops.js';
import { hesitationOf } from '../support/queues/hesitation.js';
import { Occasion } from '../support/queues/occasion.js';
import type { WorkerPlan } from '../support/queues/worker-plan.js';
import { storeWith } from '../support/store-with.js';
import type { World } from '../support/world.js';
import type { Situation } from './situations.js';
import type { ConditionsWorkload, Decision } from './workload.js';

/** A write that somebody wants to come just before has this long to arrive, half of the time. */
const headStartMs = 80;
/** So long somebody waits for a release that does not come. */
const patienceMs = 700;

type OccasionName = Exclude<Decision['with'], 'nothing'>;

/** What the requests of a process meet: those of a worker, or those of a producer, of which each so-and-so-many-th comes late. */
export interface Ways {
  readonly worker?: WorkerPlan;
  readonly late?: number;
}

interface Look {
  readonly items: ReadonlySet<string>;
  readonly gates: number;
  readonly definition: number;
  readonly releases: number;
}

export class Releases {
  readonly #world: World<ConditionsWorkload>;
  readonly #keys: QueueKeys;
  readonly #occasions: Readonly<Record<OccasionName, Occasion>> = {
    release: new Occasion(),
    assignment: new Occasion(),
    look: new Occasion(),
  };

  constructor(world: World<ConditionsWorkload>, keys: QueueKeys) {
    this.#world = world;
    this.#keys = keys;
  }

  reached(situation: Situation): void {
    this.#world.reached(situation);
  }

  /** Resolves as the next one leaves a dispatcher. */
  next(occasion: OccasionName): Promise<void> {
    return this.#occasions[occasion].next();
  }

  /** The store of a process, looked at. */
  watched(process: SimulatedProcess, context: ProcessContext, { worker: plan, late = 0 }: Ways = {}): Store {
    const { store, runtime } = context;
    const { release, assignment, look } = this.#occasions;
    const hesitate = hesitationOf(this.#world, process, context, plan);
    let enqueues = 0;
    const giveStart = () => sleep(runtime, runtime.random() * headStartMs);
    const txn = async (request: TxnRequest, send: () => Promise<TxnReply>): Promise<TxnReply> => {
      const puts = plainOpsIn(request.success).flatMap(({ type, key }) => (type === 'put' ? [key] : []));
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
      const isAwaited = [releases && release.come(), assigns && assignment.come()].includes(true);
      if (isAwaited) await giveStart();
      const reply = await send();
      this.#compare(before, this.#look(), { releases, assigns });
      return reply;
    };
    return storeWith(store, {
      range: async (request, options) => {
        const reply = await store.range(request, options);
        if (request.keysOnly !== true || !inRange(this.#keys.items, request.key)) return reply;
        if (look.come()) await giveStart();
        return reply;
      },
      txn: (request, options) => txn(request, () => store.txn(request, options)),
    });
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
