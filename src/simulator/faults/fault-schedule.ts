import type { Cluster } from '../cluster/cluster.js';
import type { Member } from '../cluster/member.js';
import type { LinkConditions, LinkUser } from '../network/link.js';
import type { SimulatedProcess } from '../process/simulated-process.js';
import type { SeededRandom } from '../random.js';
import type { EventLoop } from '../time/event-loop.js';
import type { Timeline } from '../timeline.js';
import type { FaultCounts } from './fault-counts.js';
import { type FaultKind, type FaultWindow, isProcessFault } from './fault-window.js';

const longestStallMs = 500;
const longestWallStepMs = 60_000;
/** A cut is noticed at once, where the connection is reset, or when the client misses an answer. */
const noticeCutMs = { reset: 20, silent: 8_000 };
const pauseBetweenBreaksMs = { min: 50, max: 1_500 };

/** Ends a fault that is upon somebody. */
type Mend = () => void;
const nothing: Mend = () => {};

export interface FaultScheduleParts {
  readonly loop: EventLoop;
  readonly cluster: Cluster;
  readonly processes: readonly SimulatedProcess[];
  readonly random: SeededRandom;
  readonly timeline: Timeline;
  readonly counts: FaultCounts;
}

/** Lets faults begin and end at their times, until everything is healed. */
export class FaultSchedule {
  readonly #parts: FaultScheduleParts;
  readonly #active = new Set<Mend>();
  #healed = false;

  constructor(parts: FaultScheduleParts) {
    this.#parts = parts;
  }

  add(window: FaultWindow): void {
    const { loop } = this.#parts;
    loop.after(window.atMs - loop.nowMs, () => this.#begin(window));
  }

  /** Ends all faults and lets none begin any more. */
  healAll(): void {
    this.#healed = true;
    for (const mend of [...this.#active]) mend();
  }

  /** Leaves a process, or a member, broken for good. */
  breakForEver(kind: FaultKind, target: number): void {
    this.#start({ atMs: 0, durationMs: 0, kind, target });
  }

  #begin(window: FaultWindow): void {
    if (this.#healed) return;
    const { loop } = this.#parts;
    const end = this.#start(window);
    if (end === nothing) return;
    const mend = () => {
      if (!this.#active.delete(mend)) return;
      this.#note(`${window.kind} ends`, window.target);
      end();
    };
    this.#active.add(mend);
    loop.after(window.durationMs, mend);
  }

  #start(window: FaultWindow): Mend {
    const { processes, cluster, counts } = this.#parts;
    const { kind, target } = window;
    const process = processes[target % Math.max(1, processes.length)];
    const member = cluster.members[target % cluster.members.length] as Member;
    const isProcess = isProcessFault(kind);
    if (isProcess && process === undefined) return nothing;
    if (kind === 'crash' && process?.status === 'crashed') return nothing;
    if (kind === 'stale-leader' && cluster.leader !== member) return nothing;
    counts.add(kind);
    this.#note(`${kind} begins`, target);
    return isProcess && process !== undefined
      ? this.#startOnProcess(window, process)
      : this.#startOnCluster(window, member);
  }

  #startOnProcess({ kind, durationMs }: FaultWindow, process: SimulatedProcess): Mend {
    const { loop, random } = this.#parts;
    switch (kind) {
      case 'slow-link':
        return this.#condition(process, 'slow');
      case 'lossy-link':
        return this.#condition(process, 'lossy');
      case 'late-link':
        return this.#condition(process, 'late');
      case 'silent-watches':
        return this.#condition(process, 'silentWatches');
      case 'slow-watches':
        return this.#condition(process, 'slowWatches');
      case 'lost-keep-alives':
        return this.#condition(process, 'lostKeepAlives');
      case 'broken-watches':
        return this.#breakWatches(process);
      case 'cut-replies':
        return this.#cut(process, ['cutReplies']);
      case 'cut-requests':
        return this.#cut(process, ['cutRequests']);
      case 'cut-link':
        return this.#cut(process, ['cutRequests', 'cutReplies']);
      case 'wall-step':
        process.clock.stepWall((random.chance(0.5) ? 1 : -1) * longestWallStepMs ** random.next());
        return nothing;
      case 'stall': {
        const { resume } = process.stall();
        loop.after(Math.min(longestStallMs, durationMs / 10), resume);
        return nothing;
      }
      case 'pause':
        return process.pause().resume;
      case 'sleep':
        return process.sleep().wake;
      default:
        process.crash();
        return () => process.restart();
    }
  }

  #startOnCluster({ kind, durationMs }: FaultWindow, member: Member): Mend {
    const { cluster, random } = this.#parts;
    switch (kind) {
      case 'compaction':
        return this.#compact(durationMs);
      case 'no-space':
        return cluster.fillUp();
      case 'leader-change':
        cluster.changeLeader();
        return nothing;
      case 'member-lag':
        member.lagging += 1;
        return () => {
          member.lagging -= 1;
        };
      case 'member-deaf':
        // It hears no leader, and stands for election against the one there is.
        if (random.chance(0.5)) cluster.changeLeader();
        return cluster.isolateMember(member, { deaf: true, mute: false });
      case 'member-mute':
        return cluster.isolateMember(member, { deaf: false, mute: true });
      case 'member-isolated':
        return cluster.isolateMember(member, { deaf: true, mute: true });
      case 'stale-leader':
        return cluster.freezeMember(member);
      default:
        cluster.crashMember(member);
        return () => cluster.restartMember(member);
    }
  }

  #condition({ link }: SimulatedProcess, name: keyof LinkConditions): Mend {
    link.conditions[name] += 1;
    return () => {
      link.conditions[name] -= 1;
      link.changed();
    };
  }

  #cut({ link }: SimulatedProcess, directions: readonly ('cutRequests' | 'cutReplies')[]): Mend {
    const { loop, random } = this.#parts;
    for (const direction of directions) link.conditions[direction] += 1;
    const noticedMs = random.next() * (random.chance(0.3) ? noticeCutMs.reset : noticeCutMs.silent);
    const users = link.users();
    loop.after(noticedMs, () => this.#loseConnections(users));
    return () => {
      for (const direction of directions) link.conditions[direction] -= 1;
      link.changed();
    };
  }

  #loseConnections(users: readonly LinkUser[]): void {
    for (const user of users) user.connectionLost();
  }

  #breakWatches({ link }: SimulatedProcess): Mend {
    const { loop, random, counts } = this.#parts;
    let mended = false;
    const again = () => {
      if (mended) return;
      counts.add('watch broken');
      for (const user of link.users()) user.watchesBroken();
      loop.after(random.between(pauseBetweenBreaksMs.min, pauseBetweenBreaksMs.max), again);
    };
    again();
    return () => {
      mended = true;
    };
  }

  #compact(durationMs: number): Mend {
    const { loop, random, cluster } = this.#parts;
    let mended = false;
    const again = () => {
      if (mended) return;
      const revision = cluster.engine.revision - (random.chance(0.5) ? 0 : random.integer(30));
      if (revision > Math.max(1, cluster.engine.compactRevision)) cluster.compact(revision);
      loop.after(random.between(durationMs / 4, durationMs), again);
    };
    again();
    return () => {
      mended = true;
    };
  }

  #note(text: string, target: number): void {
    this.#parts.timeline.note('faults', () => `${text} (target ${target})`);
  }
}
