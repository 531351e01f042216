/**
 * Sessions under every fault: a few processes open, hold, close and lose them. At every look it is held against the
 * cluster, in true time, whether what a process believes can still be so.
 */
import { type SeenSession as CheckedSession, checkSession, History } from '../src/checkers/index.js';
import { faultKinds } from '../src/simulator/index.js';
import { Seat } from './session/seat.js';
import { SessionUser } from './session/session-user.js';
import { Stage } from './session/stage.js';
import { type SessionWorkload, sessionWorkload } from './session/workload.js';
import type { Property } from './support/property.js';
import type { World } from './support/world.js';

const longestSafetyMs = 14_000;
const longestLivenessMs = 60_000;
/** Of a core: until it is noticed which members are gone for ever, and what lies at one without a quorum is answered. */
const settlingMs = { all: 3_000, core: 16_000 } as const;
const stableMs = 8_000;
/** What was sent late has arrived, and the longest TTL has passed. */
const drainMs = 30_000;

async function run(world: World<SessionWorkload>): Promise<void> {
  const stage = new Stage(world);
  const { scripts } = world.workload;
  for (const [index, script] of scripts.entries()) {
    const process = world.start(`p${index}`, async (context) => {
      const seat = new Seat(stage, context, world.simulation.processes[index] ?? process);
      stage.seats.push(seat);
      const user = new SessionUser(stage, context, seat);
      await user.live(context.incarnation < 2 ? script : []);
    });
  }
  const unsteady = () => {
    stage.throwFailure();
    const { processes } = world.simulation;
    const found = processes.find(
      ({ isCore, name, incarnation }) =>
        isCore && !stage.coreSeats.some((seat) => seat.name === `${name}.${incarnation}` && seat.isSteady),
    );
    return found && `${found.name} has no session`;
  };
  await world.safetyPhase(() => unsteady() === undefined, longestSafetyMs);
  world.heal();
  stage.isCalm = true;
  await world.run(settlingMs[world.plan.knobs.heal]);
  await world.livenessPhase(unsteady, longestLivenessMs);
  await checkStable(world, stage);
  checkGrants(stage);
  stage.isStopping = true;
  await world.livenessPhase(() => {
    stage.throwFailure();
    return world.simulation.processes.find(({ isCore, status }) => isCore && status !== 'finished')?.name;
  }, longestLivenessMs);
  await world.run(drainMs);
  stage.throwFailure();
  checkLeftovers(world, stage);
}

/** Where nothing goes wrong, nobody loses a session. */
async function checkStable(world: World<SessionWorkload>, stage: Stage): Promise<void> {
  const live = stage.coreSeats.flatMap(({ sessions }) => sessions.filter(({ isLost }) => !isLost));
  await world.run(stableMs);
  stage.throwFailure();
  const lost = live.find(({ isLost, endedByOthers, closed }) => isLost && !endedByOthers && !closed);
  if (lost !== undefined) throw new Error(`not live: ${lost} was lost, though all was well`);
}

/** SESSION-7: every lease that may have been granted is a session's, or was revoked, or was told to be gone. */
function checkGrants(stage: Stage): void {
  for (const seat of stage.coreSeats) {
    const owned = new Set(seat.sessions.map(({ session }) => session.leaseId));
    for (const { id, maybeGranted, revokedAt, goneAtMs } of seat.leases.talks) {
      if (!maybeGranted || owned.has(id) || revokedAt.length > 0 || goneAtMs !== undefined) continue;
      stage.failWith(
        'SESSION-7',
        `${seat.name} has asked for lease ${id}, has no session on it, and never revoked it`,
      );
    }
  }
  stage.throwFailure();
}

function checkLeftovers(world: World<SessionWorkload>, stage: Stage): void {
  const { simulation, plan } = world;
  const worthless = simulation.faultsInjected.has('renewal worth nothing');
  for (const seat of stage.seats) {
    for (const { id } of seat.leases.talks) {
      if (simulation.engine.leaseExpiryMs(id) === undefined) continue;
      stage.failWith('SESSION-8', `lease ${id} of ${seat.name} is left`);
    }
    if (!seat.isDead && seat.isClosed && seat.clocks.timerCount > 0) {
      stage.failWith('SESSION-8', `${seat.clocks.timerCount} timers of ${seat.name} are left`);
    }
  }
  stage.throwFailure();
  const sessions = stage.seats.flatMap((seat) =>
    seat.sessions.map(
      (seen): CheckedSession => ({
        process: seat.name,
        leaseId: seen.session.leaseId,
        anchor: seen.session.anchor,
        openedAtMs: seen.openedAtMs,
        // A process that is dead, or stands still, believes nothing.
        lostAtMs: seen.believedUntilMs ?? seen.believedAtMs,
        endedByOthers: seen.endedByOthers || seen.closed || worthless || seen.isUnaccountable,
      }),
    ),
  );
  const { compared } = checkSession({
    history: new History(simulation.history),
    sessions,
    abortMs: Math.max(0, stage.bounds.abortMs / (1 + plan.knobs.clockRateError) - 3),
    drained: true,
  });
  world.reached('a loss held against the end of the keys', compared);
}

export const sessionProperty: Property<SessionWorkload> = {
  module: 'session',
  invariants: [
    'SESSION-1',
    'SESSION-2',
    'SESSION-3',
    'SESSION-4',
    'SESSION-5',
    'SESSION-6',
    'SESSION-7',
    'SESSION-8',
    'SESSION-9',
    'SESSION-10',
    'SESSION-11',
    'SESSION-12',
  ],
  workload: sessionWorkload,
  faults: { kinds: faultKinds.filter((kind) => !kind.endsWith('-watches')), withinMs: 8_000, maxWindows: 12 },
  sometimes: [
    'lost: deadline',
    'lost: lease-gone',
    'lost: anchor-gone',
    'lost: closed',
    'lost to a leap of the wall clock',
    'in doubt, and healthy again',
    'saved by an acknowledgement in the socket',
    'the first check after a standstill said no',
    'a grant was asked for again',
    'an opening was given up',
    'a caller gave up an opening for itself',
    'callers at the same time shared an opening',
    'opened anew after a loss',
    'a guarded write of a lost session was refused',
    'revoked after the margin',
    'a loss held against the end of the keys',
    'live through a block longer than its TTL',
    'lost in a block longer than its TTL',
  ],
  runs: 1_500,
  run,
};
