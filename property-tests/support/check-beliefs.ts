import { milliseconds } from '../../src/checkers/evidence.js';
import { checkMutex, type History, type Life } from '../../src/checkers/index.js';
import { broken } from '../../src/checkers/sentences.js';
import type { FaultWindow } from '../../src/simulator/index.js';
import type { Key } from '../../src/store/index.js';
import { clocksMayHideTime } from './open-client.js';
import { activeWindows } from './plan.js';
import type { SeenHold } from './seen-hold.js';
import type { World } from './world.js';

export interface BeliefsCheck {
  readonly history: History;
  readonly grants: readonly SeenHold[];
  /** The locks, by the names that the grants have of them, and the prefixes of their places. */
  readonly locks: readonly { readonly name: string; readonly line: Key }[];
  /** Faults that the scene itself brought about. */
  readonly strokes: readonly FaultWindow[];
  /** Somebody deleted this place, of which its holder can only learn later. */
  readonly tookAway: (place: Life) => boolean;
}

/** LOCK-9 of each lock, of those whose clocks are what the library claims. Answers how many beliefs there were. */
export function checkBeliefs(world: World, check: BeliefsCheck): number {
  const { simulation, plan } = world;
  const { history, strokes, tookAway } = check;
  if (simulation.faultsInjected.has('renewal worth nothing')) return 0;
  const faults = [...activeWindows(plan), ...strokes];
  const accountable = check.grants.filter(({ process }) => {
    return !clocksMayHideTime(faults, process.index, simulation.processes.length);
  });
  let beliefs = 0;
  for (const { name, line } of check.locks) {
    const grants = accountable.flatMap((grant) => {
      const part = grant.part(name);
      if (part === undefined) return [];
      const life = grant.lifeIn(history, part);
      const wasTaken = life !== undefined && tookAway(life);
      const takenAwayAtMs = wasTaken ? (life.toMs ?? 0) : Number.POSITIVE_INFINITY;
      if (grant.belief.fromMs >= takenAwayAtMs) return [];
      if (!wasTaken) endsInTime(grant, life);
      return [grant.asGrant(part, takenAwayAtMs)];
    });
    const asked = { beliefsMustNotOverlap: true, tokensInOrderOfGrant: true };
    beliefs += checkMutex({ history, line, grants, ...asked }).beliefs;
  }
  return beliefs;
}

function endsInTime({ belief, process }: SeenHold, life: Life | undefined): void {
  const { endedAtMs = Number.POSITIVE_INFINITY } = belief;
  if (endedAtMs <= (life?.toMs ?? Number.POSITIVE_INFINITY)) return;
  const until = Number.isFinite(endedAtMs) ? `until ${milliseconds(endedAtMs)}` : 'and still does';
  broken(
    'LOCK-9',
    `${process.name} believed to hold ${until}, but ${life?.key} went at ${milliseconds(life?.toMs ?? 0)}`,
  );
}
