import {
  checkDeadlocks,
  circleClosedBy,
  type OwnedPlace,
  ownedPlaces,
  standing,
} from '../../src/checkers/deadlock.js';
import { checkMutex, History } from '../../src/checkers/index.js';
import type { World } from '../support/world.js';
import type { Look } from './looks.js';
import type { Scene, SeenDeadlock } from './scene.js';
import { type DeadlockWorkload, names } from './workload.js';

/** What the library lets pass between its two looks, by a clock that is 5 % fast, and less for the sake of rounding. */
const stoodMs = 95;
/** Once all is healed no circle stands as long, whatever else goes on. */
const longestMs = 60_000;
/** Two looks of one process that are no further apart are those of one wait. */
const pairMs = 400;

/** Holds everything that was seen against the history, and counts what there was. */
export function judge(
  world: World<DeadlockWorkload>,
  scene: Scene,
  { drained }: { readonly drained: boolean },
): void {
  const history = new History(world.simulation.history);
  const { told, lines } = scene;
  const end = { atMs: scene.nowMs(), longestMs };
  const { sizes } = checkDeadlocks({ history, lines, told, stoodMs, end });
  for (const name of names) {
    const grants = scene.grants.get(name) ?? [];
    checkMutex({ history, line: scene.lineOf(name), grants, drained });
  }
  if (!drained) return;
  const places = lines.flatMap((line) => ownedPlaces(history, line));
  scene.reached('a circle of two was broken', sizes.filter((size) => size === 2).length);
  scene.reached('a circle of three or more was broken', sizes.filter((size) => size > 2).length);
  scene.reached('a victim was told although a reply to it had been lost', lostReplies(scene, places));
  countLooks(history, scene, places);
  const unnamed = lines.flatMap((line) => history.lives(line)).length - places.length;
  if (told.length > 0) scene.reached('somebody whom nobody named waited among owners', unnamed > 0 ? 1 : 0);
  const handed = places.filter(({ key, fromMs }) =>
    places.some((other) => other.key === key && other.toMs === fromMs),
  );
  scene.reached('a place was handed over to an owner', handed.length);
  const crashes = scene.seats.strokes.filter(({ kind }) => kind === 'crash').length;
  scene.reached('a process crashed while it held locks', crashes);
  const left = scene.seats.processes.some(({ isCore }) => !isCore);
  scene.reached('every owner got on when only a core was healed', left ? 1 : 0);
}

function countLooks(history: History, scene: Scene, places: readonly OwnedPlace[]): void {
  for (const look of scene.looks) {
    const sawAtMs = history.timeOf(look.revision) ?? look.sentAtMs;
    const closing = closedBy(places, sawAtMs, look);
    if (closing.length === 0) continue;
    const late = closing.filter((place) => !isInCircle(place, places, look.answeredAtMs));
    scene.reached('a circle was gone before the look that saw it was answered', late.length);
    const next = scene.looks.find(({ label, sentAtMs }) => {
      const afterMs = sentAtMs - look.answeredAtMs;
      return label === look.label && afterMs > 0 && afterMs <= pairMs;
    });
    if (next === undefined) continue;
    const dissolved = closing.filter((place) => {
      const stands = place.toMs > next.answeredAtMs;
      return stands && !isInCircle(place, places, next.sentAtMs) && !wasTold(place, scene.told);
    });
    scene.reached('a circle that one look saw had dissolved at the next', dissolved.length);
  }
}

/** The places of the one who looks that had closed a circle then. */
function closedBy(places: readonly OwnedPlace[], atMs: number, { label }: Look): readonly OwnedPlace[] {
  return standing(places, atMs, atMs).filter((place) => {
    return place.label === label && isInCircle(place, places, atMs);
  });
}

function isInCircle(place: OwnedPlace, places: readonly OwnedPlace[], atMs: number): boolean {
  const stood = standing(places, atMs, atMs);
  return stood.includes(place) && circleClosedBy(place, stood) !== undefined;
}

function wasTold({ owner, line, toMs }: OwnedPlace, told: readonly SeenDeadlock[]): boolean {
  return told.some((one) => one.owner === owner && one.line === line && one.toldAtMs >= toMs);
}

/** Those who were told after a request to take their place, or to leave it, had been lost. */
function lostReplies({ told, lost }: Scene, places: readonly OwnedPlace[]): number {
  return told.filter(({ owner, line, askedAtMs, toldAtMs }) => {
    const own = places.filter((place) => {
      return (
        place.owner === owner && place.line === line && place.fromMs >= askedAtMs && place.fromMs <= toldAtMs
      );
    });
    return lost.some(({ text, atMs }) => {
      return askedAtMs <= atMs && atMs <= toldAtMs && own.some(({ key }) => text.includes(`"${key}"`));
    });
  }).length;
}
