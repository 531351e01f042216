/** The processes of a run, each with a client and its callers, which may crash and start anew at any moment. */
import { AssertionError } from 'node:assert';
import { atomically, type Transaction } from '../../src/atomics/index.js';
import type { SeenTransaction, UnsettledTransaction } from '../../src/checkers/index.js';
import { isQuorateError } from '../../src/errors.js';
import { Mutex } from '../../src/locks/index.js';
import { sleep } from '../../src/runtime/index.js';
import type { Client } from '../../src/session/index.js';
import type { ProcessContext, SimulatedProcess } from '../../src/simulator/index.js';
import { type Key, Keyspace, segmentOf } from '../../src/store/index.js';
import { Administrator } from '../support/administrator.js';
import { waitOptions } from '../support/holding.js';
import { namespace, openClient } from '../support/open-client.js';
import type { World } from '../support/world.js';
import { type OpenCall, RecordedRun } from './seen-call.js';
import type { Situation } from './situations.js';
import { type CallerPlan, dataKeys, guestKeys, markKey, type StmWorkload } from './workload.js';

/** Callers do not come more often once everything is healed. */
const healedRounds = 2;
const healedThinkMs = 3;

interface Seat {
  readonly process: SimulatedProcess;
  readonly client: Client;
  readonly mutex: Mutex;
}

/** A full store refuses puts; what guards a transaction may be lost, or not to be had. */
const mayEndACall: readonly string[] = ['no-space', 'session-lost', 'hold-lost', 'unreachable'];

/** What a function throws that is to throw. */
class Thrown extends Error {}

export class Scene {
  /** The prefix of everything that lines of hot keys keep, and of the places in that of the first key. */
  readonly lines: Key = new Keyspace(namespace).typePrefix('stm');
  readonly firstLine: Key = `${this.lines}${segmentOf(dataKeys[0])}/l/`;
  readonly committed: SeenTransaction[] = [];
  readonly unsettled: UnsettledTransaction[] = [];
  readonly runs: RecordedRun[] = [];
  readonly administrator: Administrator;
  isHealed = false;
  readonly #world: World<StmWorkload>;
  readonly #processes: SimulatedProcess[] = [];
  readonly #seats = new Map<SimulatedProcess, Seat>();
  readonly #struck = new Set<CallerPlan>();
  readonly #open = new Map<OpenCall, SimulatedProcess>();
  #values = 0;

  constructor(world: World<StmWorkload>) {
    this.#world = world;
    const clientOf = (target: number) => {
      const process = this.#processes[target % this.#processes.length];
      return process && this.#seats.get(process)?.client;
    };
    this.administrator = new Administrator({ world, line: this.firstLine, clientOf });
  }

  readonly nowMs = (): number => this.#world.simulation.nowMs;

  get processes(): readonly SimulatedProcess[] {
    return this.#processes;
  }

  /** Calls that never came to their end: what they wanted written may have been. */
  get neverEnded(): readonly UnsettledTransaction[] {
    return [...this.#open].map(([{ runs }, { name }]) => lastOf(name, runs));
  }

  reached(situation: Situation): void {
    this.#world.reached(situation);
  }

  startProcess(callers: readonly CallerPlan[]): void {
    const roundsLeft = callers.map(({ rounds }) => rounds);
    const process = this.#world.start(`process ${this.#processes.length}`, async (context) => {
      this.#bury(process);
      const seat = await this.#openSeat(process, context);
      this.#seats.set(process, seat);
      const work = callers.map(async (plan, index) => {
        await sleep(context.runtime, plan.startMs);
        let left = roundsLeft[index] ?? 0;
        while (left > 0) {
          left = Math.min(left, this.isHealed ? healedRounds : left) - 1;
          roundsLeft[index] = left;
          await this.#round(seat, plan);
          await sleep(context.runtime, plan.gapMs);
        }
      });
      await Promise.all(work);
    });
    this.#processes.push(process);
  }

  /** What its process was about when it crashed. */
  #bury(process: SimulatedProcess): void {
    for (const [call, owner] of this.#open) {
      if (owner !== process) continue;
      this.#open.delete(call);
      this.unsettled.push(lastOf(process.name, call.runs));
      this.reached('a process crashed in a transaction');
    }
  }

  async #openSeat(process: SimulatedProcess, context: ProcessContext): Promise<Seat> {
    const { ttlMs } = this.#world.workload;
    const { knobs } = this.#world.plan;
    const client = await openClient(context, { store: context.store, ttlMs, knobs });
    client.onSessionChange(({ session, state }) => context.note(`session ${session.id} is ${state.status}`));
    return { process, client, mutex: new Mutex(client, 'm') };
  }

  async #round(seat: Seat, plan: CallerPlan): Promise<void> {
    const { client, process } = seat;
    const isPatient = plan.patienceMs === 0 || this.isHealed;
    const { options, end } = waitOptions(isPatient ? { ...plan, patienceMs: 0 } : plan, client);
    const maxConflicts = this.isHealed ? Number.POSITIVE_INFINITY : plan.maxConflicts;
    const call: OpenCall = { beganAtMs: this.nowMs(), runs: [], guardedBy: [] };
    this.#open.set(call, process);
    const { isolation } = plan;
    let over = false;
    try {
      const { revision, runs } = await this.#guarded(seat, plan, call, (guard) =>
        atomically(
          client,
          (tx) => {
            const isOver = () => over;
            const run = new RecordedRun({
              ...{ process: process.name, isolation, tx, nowMs: this.nowMs, isOver },
            });
            call.runs.push(run);
            this.runs.push(run);
            guard(tx);
            return this.#work(seat, plan, run, call.runs.length);
          },
          { ...options, isolation, maxConflicts },
        ),
      );
      if (runs !== call.runs.length) {
        throw new AssertionError({ message: `${runs} runs were told, of ${call.runs.length}` });
      }
      this.#committed(call, revision);
    } catch (error) {
      this.#failed(call, process, error, isPatient);
    } finally {
      over = true;
      end();
      this.#open.delete(call);
    }
  }

  /** Under a session or a hold, where the plan says so. */
  async #guarded<T>(
    { client, mutex }: Seat,
    { kind }: CallerPlan,
    call: OpenCall,
    run: (guard: (tx: Transaction) => void) => Promise<T>,
  ): Promise<T> {
    if (kind === 'under-session') {
      const session = await client.session();
      call.guardedBy = [{ key: session.anchor, created: session.anchorRevision }];
      return run((tx) => tx.guard(session));
    }
    if (kind !== 'under-hold') return run(() => {});
    await using hold = await mutex.acquire();
    const { key, operand } = hold.guard();
    call.guardedBy = [{ key, created: Number(operand) }];
    const result = await run((tx) => tx.guard(hold));
    this.reached('a transaction was committed under a hold');
    return result;
  }

  #committed(call: OpenCall, revision: number): void {
    const last = call.runs.at(-1);
    if (last === undefined)
      throw new AssertionError({ message: 'a transaction was committed that never ran' });
    const { process, isolation, reads, ranges, writes, firstReadAtMs } = last;
    const { beganAtMs, guardedBy = [] } = call;
    const endedAtMs = this.nowMs();
    this.committed.push({
      ...{
        process,
        isolation,
        reads,
        ranges,
        writes,
        firstReadAtMs,
        revision,
        beganAtMs,
        endedAtMs,
        guardedBy,
      },
    });
    this.reached('a transaction was committed');
    if (writes.size === 0 && reads.length > 1)
      this.reached('a transaction that wrote nothing saw several keys');
    if (call.runs.length > 1) this.reached('a function was run again');
    if (call.runs.length > 3) this.reached('a function was run more than three times');
    const keysOf = (run: RecordedRun) =>
      run.ranges.map(({ entries }) => entries.map(({ key }) => key)).join();
    if (ranges.length > 0 && call.runs.some((run) => run.ranges.length > 0 && keysOf(run) !== keysOf(last))) {
      this.reached('a function was run on keys that a range had lost or gained');
    }
  }

  #failed(call: OpenCall, { name }: SimulatedProcess, error: unknown, isPatient: boolean): void {
    if (error instanceof Thrown) {
      this.reached('a function threw, and wrote nothing');
      return;
    }
    if (!isQuorateError(error) || error.code === 'internal') throw error;
    const { code, outcome } = error;
    if (outcome === 'unknown') {
      this.unsettled.push(lastOf(name, call.runs));
      this.reached('nobody knew what became of a commit');
    }
    if (code === 'conflict') this.reached('a transaction met conflicts as often as it was to');
    else if (code === 'fenced') this.reached('a transaction was refused by its guard');
    else if (!isPatient && (code === 'timeout' || code === 'aborted'))
      this.reached('a transaction was given up');
    else if (outcome !== 'unknown' && !mayEndACall.includes(code)) throw error;
  }

  /** What the function does: each value that it puts is its own. */
  async #work(seat: Seat, plan: CallerPlan, run: RecordedRun, count: number): Promise<void> {
    const { kind } = plan;
    const [from, to] = [dataKeys[plan.from] ?? 'd/a', dataKeys[plan.to] ?? 'd/b'];
    const think = () => this.#think(seat, plan);
    switch (kind) {
      case 'increment':
      case 'under-session':
      case 'under-hold':
      case 'throw':
        await run.get(from);
        await think();
        this.#put(run, from);
        if ((await run.own(from)) !== run.writes.get(from)) {
          throw new AssertionError({ message: 'a run does not see its own write' });
        }
        if (kind === 'throw') throw new Thrown();
        return;
      case 'transfer':
        await Promise.all([run.get(from), run.get(to)]);
        await think();
        this.#put(run, from);
        this.#put(run, to);
        return;
      case 'blind':
        await run.get(from);
        await think();
        this.#put(run, from === to ? guestKeys[0] : to);
        return;
      case 'sum':
        await run.range('d/');
        await think();
        this.#put(run, to);
        return;
      case 'first-of-range':
        await run.range('d/', 2);
        await think();
        this.#put(run, to);
        return;
      case 'come-or-go':
        return this.#comeOrGo(run, think);
      case 'wander':
        // What it reads first depends on what happened.
        if (count > 1) {
          await think();
          await run.get(to);
        }
        await run.get(from);
        this.#put(run, from);
        return;
      case 'look':
        await run.get(from);
        await think();
        if (from !== to) await run.get(to);
        await run.range('d/');
        return;
    }
  }

  async #comeOrGo(run: RecordedRun, think: () => Promise<void>): Promise<void> {
    const guests = await run.range('d/', 5);
    await think();
    const [guest] = guestKeys.filter((key) => guests.some((one) => one.key === key));
    if (guest === undefined) {
      this.#put(run, guestKeys[guests.length % guestKeys.length] ?? 'd/x');
      return;
    }
    run.delete(guest);
    // What it deletes cannot tell whose deed that was; what it puts can, where no range sees it.
    this.#put(run, markKey);
  }

  #put(run: RecordedRun, key: string): void {
    this.#values += 1;
    run.put(key, `${run.process}: ${this.#values}`);
  }

  async #think({ client, process }: Seat, plan: CallerPlan): Promise<void> {
    const { stroke, strokeMs, thinkMs } = plan;
    if (stroke !== 'none' && !this.isHealed && !this.#struck.has(plan)) {
      this.#struck.add(plan);
      const window = { kind: stroke, atMs: this.nowMs(), durationMs: strokeMs, target: process.index };
      this.#world.simulation.inject(window);
    }
    const forMs = this.isHealed ? Math.min(healedThinkMs, thinkMs) : thinkMs;
    if (forMs > 0 || stroke !== 'none') await sleep(client.runtime, forMs);
  }
}

/** Only the last run can have been on its way: those before it were refused. */
function lastOf(process: string, runs: readonly RecordedRun[]): UnsettledTransaction {
  return { process, writes: new Map(runs.at(-1)?.writes) };
}
