/**
 * The dispatcher's decisions, without clock, store or timer: `apply` is its one transition function, `nextWrite` and
 * `nextRead` say what to do now. One write, and one read of each level, are under way at a time; their results come back as inputs.
 *
 * **What it knows of items.** Either everything from the start of the queue (*tail*: the watch brings each new item,
 * in revision order, and it is inserted in key order), or only those below `cut` (*backlog*: more wait than memory
 * should hold; the rest is read in windows). In tail mode a view that holds B is complete up to the commit of B, so
 * every A whose enqueue returned before B's began is in it and, having the smaller key, is given out first. In backlog
 * mode the gate gives the same: before anything from a window `[cut, to)` read at revision v is given out, one
 * transaction makes sure that nothing there was created after v and moves the gate to `to`, so that nothing ever
 * will be. Without that guard, a window read beside a lagging watch could hold B and miss A.
 *
 * Changing from backlog to tail: when the last window is asked for, created items are collected from the watch; it
 * is merged with those of them that came after its revision. From tail to backlog: the same guarded move of the gate,
 * with the revision of the watch, closes the part that is kept.
 *
 * **First assignments in order.** A write gives out the first ready items that no rule holds back, all or none: if one worker
 * has gone, one item was deleted or the control has changed, the whole is refused and planned again before anything later
 * is given out.
 *
 * **Rules.** What all obey is told in choice/fleet-rules.ts, what keys and groups hold back in choice/choice.ts. All of it is
 * counted from what is in hand, which a successor counts anew from one read. A job that comes back from a worker while the
 * part of the queue before it is still unread may go again at once: when it was first given out it was the first of its key.
 * Blocked jobs stay in memory, as waiting ones do, and count towards `mirror`: when so many are blocked, what lies behind
 * them in the store is not read before some of them have gone. Jobs that are held for their task do not count, since what they wait
 * for may lie behind them: they take memory as many as they are.
 *
 * **Staleness.** A change that was overtaken by a read or by a reply of this dispatcher is told by its revision, by
 * the generation (which only grows), or by the id (items never come back once deleted).
 */

import { CreditPlan, creditLimits } from '../bounds/credit-plan.js';
import { oldestOf } from '../bounds/oldest.js';
import { Gathering } from '../conditions/gathering.js';
import type { GatheredLook } from '../conditions/messages.js';
import type { ItemId } from '../keys.js';
import { type AssignedJob, lossOf } from '../records/index.js';
import { pulseForTick } from '../schedules/pulse.js';
import type { TimerRead } from '../timers/messages.js';
import { fillsWrite, firstOfFirings, TimerPlan } from '../timers/timer-plan.js';
import { Cancellations } from './cancellations.js';
import { FleetRules, type SeenControl } from './choice/fleet-rules.js';
import { Generations } from './generations.js';
import { Heartbeat } from './heartbeat.js';
import { Levels } from './levels/levels.js';
import type {
  Assignment,
  LoadedState,
  PlanInput,
  PlannedWrite,
  QueueChange,
  StoredItem,
  TakeBackResult,
  WindowRead,
  WriteOutcome,
} from './messages.js';
import { type PlannedJob, PlannedJobs } from './planned-jobs.js';
import { type PlannedWorker, PlannedWorkers, Runs } from './planned-workers.js';

export interface PlanLimits {
  /** Waiting items held in memory before the rest is left in the store. */
  readonly mirror: number;
  /** Items in one write: with the workers and the term, its compares stay below etcd's 128. */
  readonly jobsPerWrite: number;
  readonly workersPerWrite: number;
  readonly takeBacksPerWrite: number;
  readonly cancellationsPerWrite: number;
  /** How far the gate follows behind the newest item in tail mode. A producer slower than that must read again. */
  readonly gateDelayMs: number;
}

export const planLimits: PlanLimits = {
  mirror: 20_000,
  jobsPerWrite: 96,
  workersPerWrite: 12,
  takeBacksPerWrite: 40,
  cancellationsPerWrite: 40,
  gateDelayMs: 5_000,
};

export class DispatchPlan {
  readonly #limits: PlanLimits;
  readonly #jobs = new PlannedJobs();
  readonly #workers = new PlannedWorkers();
  readonly #generations = new Generations(this.#jobs);
  readonly #levels: Levels;
  readonly #heartbeat = new Heartbeat();
  readonly #rules = new FleetRules();
  readonly #cancellations = new Cancellations();
  readonly #credit = new CreditPlan(creditLimits);
  /** Of a condition queue. */
  #gathering: Gathering | undefined;
  #isOutdated = false;
  /** In a queue whose items may be delayed. */
  #timers: TimerPlan | undefined;
  /** Of a schedule. */
  #tickAtMs: number | undefined;
  /** Of the write under way, without those that the watch has told to be gone. */
  readonly #firing = new Set<ItemId>();
  #loadedAt = 0;
  /** Everything of the watched range up to here is in the plan. */
  #seen = 0;
  #writing = false;

  constructor(limits: PlanLimits = planLimits) {
    this.#limits = limits;
    this.#levels = new Levels(limits, this.#jobs);
    this.#jobs.setGroupLimits((group) => this.#rules.limitOf(group));
  }

  apply(input: PlanInput, nowMs: number): void {
    switch (input.type) {
      case 'loaded':
        this.#load(input.state, nowMs);
        return;
      case 'window':
        this.#generations.planMissing(this.#levels.received(input), nowMs);
        return;
      case 'changes':
        // An item goes in the revision that cancels it, and then nothing tells any more who had it.
        for (const { revision, change } of input.changes) {
          if (change.type === 'cancelled' && revision > this.#loadedAt)
            this.#cancelled(change.id, change.reason);
        }
        for (const { revision, change } of input.changes) this.#change(change, revision, nowMs);
        this.#seen = Math.max(this.#seen, input.revision);
        this.#levels.heardNews();
        this.#gathering?.heard(this.#seen);
        return;
      case 'accounts':
        this.#credit.received(input);
        return;
      case 'looked':
        this.#gathering?.looked(input.sight);
        return;
      case 'timers':
        this.#timers?.received(input.answer, nowMs);
        return;
      case 'next-tick':
        this.#tickAtMs = input.atMs;
        return;
      case 'written':
        this.#writing = false;
        this.#written(input.write, input.outcome, nowMs);
    }
  }

  /** The write to send now; undefined while one is under way or nothing is to be done. */
  nextWrite(nowMs: number): PlannedWrite | undefined {
    if (this.#writing || this.#isOutdated) return undefined;
    this.#jobs.release(nowMs);
    const timers = this.#timers?.nextWrite(nowMs, { mayFire: !this.#levels.isOverfull });
    const isFull = fillsWrite(timers);
    const takeBack = isFull ? undefined : this.#planTakeBack();
    const assignments = isFull || takeBack !== undefined ? [] : this.#planAssignments(nowMs);
    const mostTold = isFull ? 0 : this.#limits.cancellationsPerWrite;
    const cancellations = this.#cancellations.plan(mostTold, this.#workers);
    const release = this.#gathering?.nextRelease();
    const gate = release === undefined ? this.#levels.nextGate(this.#seen, nowMs) : undefined;
    const credit = isFull ? undefined : this.#planCredit();
    // With the gate go new bases: an old one may lie above an item that the gate is about to pass, or that fires.
    const waiting = this.#isWaiting();
    const pulseMs = this.#pulseMs(nowMs);
    const first = firstOfFirings(timers);
    const beat =
      [gate, release, first].some((part) => part !== undefined) ||
      this.#heartbeat.due(nowMs, waiting, pulseMs)
        ? this.#heartbeat.beat(nowMs, {
            ...{ waiting, pulseMs, seen: this.#levels.view(this.#seen) },
            bases: this.#levels.bases(first),
          })
        : undefined;
    const isIdle = takeBack === undefined && assignments.length === 0 && cancellations.length === 0;
    const isAtRest = timers === undefined && credit === undefined && gate === undefined && beat === undefined;
    if (isIdle && isAtRest) return undefined;
    this.#writing = true;
    for (const { id } of timers?.firings ?? []) this.#firing.add(id);
    const under = { control: this.#rules.mod, definedAt: this.#gathering?.definedAt };
    return { assignments, ...under, cancellations, takeBack, timers, gate, credit, beat, release };
  }

  /** A window to read now; undefined if no more is. */
  nextRead(): WindowRead | undefined {
    return this.#levels.nextRead(this.#seen);
  }

  /** True if the accounts of a bounded queue are to be read now. */
  nextReadsAccounts(): boolean {
    return this.#credit.startReading();
  }

  /** True once what the plan was made for has changed: it is to be loaded anew. */
  get isOutdated(): boolean {
    return this.#isOutdated;
  }

  /** What to look at of the items that gather; undefined while one is under way or none is wanted. */
  nextLook(): GatheredLook | undefined {
    return this.#gathering?.nextLook();
  }

  /** What to read of timers now; undefined if nothing more is. To be asked before {@link nextWrite}. */
  nextTimerRead(nowMs: number): TimerRead | undefined {
    return this.#timers?.nextRead(nowMs);
  }

  /** When to ask for a write again though nothing has happened; undefined: not before something does. */
  wakeAtMs(nowMs: number): number | undefined {
    const times = [
      this.#jobs.nextDelayedMs,
      this.#heartbeat.dueAtMs(this.#isWaiting(), this.#pulseMs(nowMs)),
      this.#levels.isOverfull ? undefined : this.#timers?.wakeAtMs(nowMs),
      this.#levels.gateDueMs,
      this.#jobs.readyCount > 0 ? this.#rules.wakeAtMs() : undefined,
    ].filter((time) => time !== undefined);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  #load(state: LoadedState, nowMs: number): void {
    this.#loadedAt = state.revision;
    this.#seen = state.revision;
    const { timeMs, timeAtMs = nowMs } = state;
    this.#heartbeat.start(timeAtMs, timeMs);
    this.#levels.start(state.levels);
    if (state.conditions !== undefined) this.#gather(new Gathering(state.conditions, state.revision));
    const { mirror } = this.#limits;
    this.#timers = state.hasTimers ? new TimerPlan({ mirror, queueMs: timeMs, nowMs: timeAtMs }) : undefined;
    this.#controlled(state.control, state.revision, nowMs);
    if (state.hasAccounts) this.#credit.setNeeded();
    for (const worker of state.workers) this.#workers.add(worker);
    this.#generations.start(state.generations);
    for (const [id, jobs] of state.records) {
      const worker = this.#workers.get(id) ?? this.#workers.addLost(id);
      for (const job of jobs) {
        if (!state.existing.has(job.id)) {
          this.#cancellations.wasGiven(job.id, id, job.generation);
          continue;
        }
        // A record whose generation has passed says only who held the job once.
        if (this.#generations.of(job.id) !== job.generation || this.#jobs.get(job.id) !== undefined) continue;
        this.#jobs.add({ ...job, place: { status: 'assigned', worker } });
      }
    }
    for (const [id, reason] of state.cancelled) this.#cancelled(id, reason);
  }

  #change(change: QueueChange, revision: number, nowMs: number): void {
    if (change.type === 'credit') {
      // A candidate that sees it waits for a sign of life.
      this.#heartbeat.itemCreated(revision);
      this.#credit.change(change.change, revision);
      return;
    }
    if (change.type === 'item-created' || change.type === 'item-gone') {
      this.#credit.change({ type: change.type }, revision);
    }
    if (change.type === 'item-created') {
      this.#heartbeat.itemCreated(revision);
      if (this.#jobs.get(change.item.id) === undefined && this.#levels.admits(change.item)) {
        this.#generations.plan(change.item, nowMs);
      }
      this.#levels.itemCreated(change.item.id, revision, nowMs);
      this.#gathering?.itemCreated(change.item.id, change.item.traits, revision);
      return;
    }
    if (change.type === 'item-gone') {
      this.#itemGone(change.id);
      this.#gathering?.itemGone(change.id, revision);
      return;
    }
    if (change.type === 'item-delayed') {
      this.#heartbeat.itemCreated(revision);
      this.#timers?.learned(change, nowMs);
      return;
    }
    if (revision <= this.#loadedAt) return;
    switch (change.type) {
      case 'taken-back':
        this.#generations.takenBack(change.id, change.generation, change.takeBack, nowMs);
        return;
      case 'worker-present':
        this.#workers.present(change.worker);
        return;
      case 'worker-gone':
        this.#workers.gone(change.worker);
        return;
      case 'controlled':
        this.#controlled(change.seen, revision, nowMs);
        return;
      case 'level-opened':
        this.#levels.open(change.level);
        return;
      case 'condition':
        this.#heartbeat.itemCreated(revision);
        this.#isOutdated ||= this.#gathering?.isOutdatedBy(change.change, revision) === true;
        this.#gathering?.changed(change.change, revision);
        if (change.change.type === 'task-done') this.#jobs.letGo();
    }
  }

  #gather(gathering: Gathering): void {
    this.#gathering = gathering;
    this.#levels.setBound(gathering.bound);
    this.#jobs.setHold((task) => gathering.holdsBack(task));
  }

  #itemGone(id: ItemId): void {
    this.#firing.delete(id);
    this.#generations.gone(id);
    this.#levels.gone(id);
    const job = this.#jobs.get(id);
    if (job !== undefined) this.#jobs.remove(job);
  }

  #controlled(seen: SeenControl, asOf: number, nowMs: number): void {
    if (!this.#rules.learn(seen, asOf, nowMs)) return;
    this.#jobs.setGroupLimits((group) => this.#rules.limitOf(group));
    this.#workers.setStartsOnly(this.#rules.startsOnly);
    this.#credit.setBound(seen.control.bound ?? undefined);
  }

  #cancelled(id: ItemId, reason: Uint8Array): void {
    this.#timers?.cancelled(id);
    const place = this.#jobs.get(id)?.place;
    const inHand = place !== undefined && 'worker' in place ? place.worker.id : undefined;
    this.#cancellations.cancelled({ id, reason, worker: inHand });
  }

  #planTakeBack(): PlannedWrite['takeBack'] {
    const worker = this.#workers.firstLost();
    if (worker === undefined) return undefined;
    const jobs = [...worker.inHand].slice(0, this.#limits.takeBacksPerWrite);
    const last = jobs.length === worker.inHand.size;
    for (const job of jobs) this.#jobs.move(job, { status: 'taking-back', worker });
    return { worker: worker.id, jobs: jobs.map(assignedJob), last };
  }

  #planCredit(): PlannedWrite['credit'] {
    return this.#credit.next(this.#seen, this.#rules.mod, (most) => oldestOf(this.#jobs.idle(), most));
  }

  /** The first ready jobs, in runs to the workers with the smallest share of their capacity in use. */
  #planAssignments(nowMs: number): Assignment[] {
    if (this.#jobs.readyCount === 0) return [];
    const allowance = this.#rules.allowance(this.#jobs.inHandCount, nowMs);
    const allowed = Math.min(this.#limits.jobsPerWrite, allowance);
    if (allowed === 0) return [];
    const open = this.#workers.open(this.#limits.workersPerWrite);
    const runs = new Runs(open, Math.min(this.#jobs.readyCount, allowance));
    const given = new Map<PlannedWorker, AssignedJob[]>();
    for (let count = 0; count < allowed; count += 1) {
      const worker = runs.next();
      const job = worker === undefined ? undefined : this.#jobs.next();
      if (worker === undefined || job === undefined || !this.#levels.letsGo(job, this.#seen)) break;
      this.#jobs.move(job, { status: 'assigning', worker });
      const jobs = given.get(worker);
      if (jobs === undefined) given.set(worker, [assignedJob(job)]);
      else jobs.push(assignedJob(job));
    }
    return [...given].map(([worker, jobs]) => ({ worker: worker.id, create: worker.create, jobs }));
  }

  #written(write: PlannedWrite, outcome: WriteOutcome, nowMs: number): void {
    this.#assigned(write, outcome, nowMs);
    this.#cancellations.told(write.cancellations.map(({ id }) => id));
    const { takeBack, gate, release, credit } = write;
    if (credit !== undefined) {
      const isGiven = outcome.creditGiven === true;
      const gone = isGiven ? credit.drops.map(({ id }) => id) : (outcome.dropsGone ?? []);
      this.#credit.answered(credit, isGiven, outcome.revision, gone.length);
      for (const id of gone) this.#itemGone(id);
    }
    if (release !== undefined) {
      this.#gathering?.released(release, outcome.released === true);
      this.#levels.setBound(this.#gathering?.bound);
    }
    if (takeBack !== undefined) {
      takeBack.jobs.forEach((job, index) => {
        this.#tookBack(job, outcome.takenBack[index], nowMs);
      });
      const worker = this.#workers.get(takeBack.worker);
      if (takeBack.last && worker?.inHand.size === 0) this.#workers.remove(takeBack.worker);
    }
    if (gate !== undefined)
      this.#generations.planMissing(this.#levels.gateAnswered(gate, outcome.gateMoved), nowMs);
    const all = write.timers && outcome.timers && this.#timers?.written(write.timers, outcome.timers);
    const fired = all?.filter(({ id }) => this.#firing.has(id));
    this.#firing.clear();
    const items = (fired ?? []).map((item): StoredItem => ({ ...item, notBefore: item.create }));
    this.#generations.planMissing(
      items.filter((item) => this.#levels.admitsFired(item)),
      nowMs,
    );
  }

  #assigned(write: PlannedWrite, outcome: WriteOutcome, nowMs: number): void {
    const { assignment } = outcome;
    for (const { worker: name, jobs } of write.assignments) {
      for (const { id, generation } of jobs) {
        const job = this.#jobs.get(id);
        const place = job?.place;
        // It may have been finished or returned already, and the watch have been faster than the reply.
        if (job?.generation !== generation || place?.status !== 'assigning' || place.worker.id !== name)
          continue;
        if (assignment.accepted) this.#jobs.move(job, { status: 'assigned', worker: place.worker });
        // What was before it may have been left in the store by this very write, and is to be read again before it.
        else if (this.#levels.isUnread(id)) this.#jobs.remove(job);
        else this.#jobs.move(job, { status: 'ready' });
      }
    }
    const given = write.assignments.flatMap(({ jobs }) => jobs.map(({ id }) => id));
    if (assignment.accepted) {
      this.#rules.given(given.length, write.control, nowMs);
      return;
    }
    this.#isOutdated ||= assignment.isDefinedAnew === true;
    this.#cancellations.notGiven(given);
    if (assignment.control !== undefined) this.#controlled(assignment.control, outcome.revision, nowMs);
    for (const id of assignment.itemsGone) this.#itemGone(id);
    for (const worker of assignment.workersGone) this.#workers.gone(worker);
  }

  #tookBack(taken: AssignedJob, result: TakeBackResult | undefined, nowMs: number): void {
    if (result === undefined || result.type === 'gone') {
      this.#itemGone(taken.id);
      return;
    }
    const { generation, takeBack } =
      result.type === 'returned' ? result : { generation: taken.generation + 1, takeBack: lossOf(taken) };
    this.#generations.takenBack(taken.id, generation, takeBack, nowMs);
  }

  /** How often to beat, at least, for timers and ticks to come; undefined if there are none. */
  #pulseMs(nowMs: number): number | undefined {
    const timersMs = this.#timers?.pulseMs(nowMs);
    if (this.#tickAtMs === undefined) return timersMs;
    return Math.min(timersMs ?? Number.POSITIVE_INFINITY, pulseForTick(this.#tickAtMs - nowMs));
  }

  #isWaiting(): boolean {
    return (
      this.#jobs.readyCount > 0 ||
      this.#jobs.delayedCount > 0 ||
      this.#levels.hasMore ||
      this.#credit.isWaiting ||
      this.#gathering?.isWaiting === true
    );
  }
}

function assignedJob(job: PlannedJob): AssignedJob {
  const { id, create, generation, failures, losses, traits, payload } = job;
  return { id, create, generation, failures, losses, traits, payload };
}
