/**
 * Whether a phaser kept its promises: what its key and those of its members were at each revision, and what its users were
 * told.
 */
import { labelIn } from '../barriers/member-record.js';
import { phaseOf } from '../barriers/phaser/phase.js';
import { type Key, type KeyEvent, prefixRange } from '../store/index.js';
import { atTime, describeLife, milliseconds } from './evidence.js';
import type { History } from './history.js';
import { broken } from './sentences.js';

/** Something that a call was told. All times are of one clock, that of the history. */
export interface ToldPhase {
  /** The label of the client. */
  readonly label: string;
  /** It registered in this phase, arrived in it, or was told that this phase goes on. */
  readonly what: 'registered' | 'arrived' | 'over';
  readonly phase: number;
  readonly calledAtMs: number;
  readonly toldAtMs: number;
  /** Of who waited for the end of this phase. */
  readonly after?: number;
  /** Of an arrival that repeats an earlier one: when that was called for. */
  readonly firstCalledAtMs?: number;
}

export interface PhaserCheck {
  readonly history: History;
  /** The prefix of all keys of the phaser. */
  readonly prefix: Key;
  readonly told: readonly ToldPhase[];
  /** All have left or died: then no key of a member may be left. Default false. */
  readonly drained?: boolean;
}

export interface PhaserCounts {
  /** Phases that ended. */
  readonly phases: number;
  readonly registrations: number;
  readonly arrivals: number;
  /** Phases that ended after a member that had not arrived was gone. */
  readonly endedWithoutTheGone: number;
}

interface PhaseWrite {
  readonly revision: number;
  readonly phase: number;
}

/**
 * Throws `InvariantBroken` for
 * - PHASER-1: a phase that ended while a member had not arrived in it;
 * - PHASER-2: a phase that does not follow the one before; a member that arrived twice in one; somebody that was told another
 *   phase than that of its arrival or registration;
 * - PHASER-3: somebody that was told of a phase before it had begun;
 * - PHASER-4 if `drained` and a member is left.
 */
export function checkPhaser({ history, prefix, told, drained = false }: PhaserCheck): PhaserCounts {
  const members = `${prefix}m/`;
  const writes = history.eventsOf(`${prefix}phase`).flatMap((event) => writeOf(event));
  const puts = history
    .keysIn(prefixRange(members))
    .flatMap((key) => history.eventsOf(key))
    .filter(({ type }) => type === 'put');
  const phaseAt = (revision: number) => writes.findLast((write) => write.revision <= revision)?.phase ?? 0;
  let endedWithoutTheGone = 0;
  let before: PhaseWrite = { revision: 0, phase: 0 };
  for (const write of writes) {
    checkEnd(history, members, before, write);
    if (wentUnarrived(history, members, before, write)) endedWithoutTheGone += 1;
    before = write;
  }
  checkArrivals(history, members, phaseAt);
  for (const one of told) checkTold(history, one, { puts, writes, phaseAt });
  const left = drained && history.lives(members).find(({ to }) => to === Number.POSITIVE_INFINITY);
  if (left) broken('PHASER-4', `left behind: ${describeLife(left)}`);
  const registrations = puts.filter(({ kv }) => kv.version === 1).length;
  const arrivals = puts.length - registrations;
  return { phases: writes.length, registrations, arrivals, endedWithoutTheGone };
}

function writeOf({ type, kv }: KeyEvent): readonly PhaseWrite[] {
  return type === 'put' ? [{ revision: kv.modRevision, phase: phaseOf(kv).phase }] : [];
}

/** PHASER-1, and PHASER-2 of the numbers. */
function checkEnd(history: History, members: Key, before: PhaseWrite, { revision, phase }: PhaseWrite): void {
  const at = `phase ${before.phase} ended at revision ${revision}${atTime(history.timeOf(revision))}`;
  if (phase !== before.phase + 1) broken('PHASER-2', `${at}, and was followed by phase ${phase}`);
  const missing = history
    .rangeAt(prefixRange(members), revision - 1)
    .find(({ modRevision, version }) => modRevision <= before.revision || version === 1);
  if (missing === undefined) return;
  const what = missing.version === 1 ? 'registered' : 'last arrived';
  broken('PHASER-1', `${at}, and ${missing.key}, which ${what} at revision ${missing.modRevision}, stood`);
}

/** Whether somebody went in this phase that had not arrived in it. */
function wentUnarrived(
  history: History,
  members: Key,
  before: PhaseWrite,
  { revision }: PhaseWrite,
): boolean {
  return history.lives(members).some(({ key, to }) => {
    if (to <= before.revision || to >= revision) return false;
    const kv = history.valueAt(key, to - 1);
    return kv !== undefined && (kv.modRevision <= before.revision || kv.version === 1);
  });
}

/** PHASER-2: an arrival counts once. */
function checkArrivals(history: History, members: Key, phaseAt: (revision: number) => number): void {
  for (const key of history.keysIn(prefixRange(members))) {
    let last: number | undefined;
    for (const { type, kv } of history.eventsOf(key)) {
      if (type === 'delete' || kv.version === 1) {
        last = undefined;
        continue;
      }
      const phase = phaseAt(kv.modRevision);
      if (phase === last) {
        broken('PHASER-2', `${key} arrived in phase ${phase} a second time at revision ${kv.modRevision}`);
      }
      last = phase;
    }
  }
}

interface Evidence {
  readonly puts: readonly KeyEvent[];
  readonly writes: readonly PhaseWrite[];
  readonly phaseAt: (revision: number) => number;
}

/** PHASER-2 and PHASER-3. */
function checkTold(history: History, told: ToldPhase, { puts, writes, phaseAt }: Evidence): void {
  const { label, what, phase, after, calledAtMs, toldAtMs, firstCalledAtMs = calledAtMs } = told;
  const story = `${label}, which called at ${milliseconds(calledAtMs)}, was told at ${milliseconds(toldAtMs)}`;
  if (what === 'over') {
    const began = writes.find((write) => write.phase === phase);
    const atMs = began && history.timeOf(began.revision);
    if (after !== undefined && phase <= after) {
      broken('PHASER-3', `${story} that phase ${after} is over, in phase ${phase}`);
    }
    if (began !== undefined && (atMs === undefined || atMs <= toldAtMs)) return;
    const when = began === undefined ? 'never began' : `began at revision ${began.revision}${atTime(atMs)}`;
    broken('PHASER-3', `${story} that phase ${phase} goes on, which ${when}`);
  }
  const isRegistration = what === 'registered';
  const found = puts.some(({ kv }) => {
    const atMs = history.timeOf(kv.modRevision);
    const inTime = atMs === undefined || (firstCalledAtMs <= atMs && atMs <= toldAtMs);
    const isSame = (kv.version === 1) === isRegistration && phaseAt(kv.modRevision) === phase;
    return isSame && inTime && labelIn(kv) === label;
  });
  if (!found) broken('PHASER-2', `${story} that it ${what} in phase ${phase}, and has not`);
}
