/** Who wrote the `leader` key of an election, and whether that was theirs to do. */
import { decodeLeader, type LeaderRecord } from '../election/leader-record.js';
import type { Key, KeyEvent } from '../store/index.js';
import { atTime, describeLife } from './evidence.js';
import type { History, Life } from './history.js';
import { oldestInTurn, proofOf, tenureAt } from './place-order.js';
import { broken } from './sentences.js';

export interface LeaderWrites {
  /** The places that won, by the revisions of their wins. */
  readonly wins: ReadonlyMap<number, Life>;
  readonly handovers: number;
  readonly proclamations: number;
}

/** Throws ELECTION-1 for a win, ELECTION-5 for any other write, that was not guarded by the place. */
export function checkLeaderKey(history: History, leader: Key, places: readonly Life[]): LeaderWrites {
  const oldestAt = oldestInTurn(places);
  const wins = new Map<number, Life>();
  let [handovers, proclamations] = [0, 0];
  let winner: Life | undefined;
  let last: LeaderRecord | undefined;
  for (const event of history.eventsOf(leader)) {
    const revision = event.kv.modRevision;
    const record = event.type === 'put' ? decodeLeader(event.kv)?.record : undefined;
    if (event.type === 'delete') checkDeletion(history, event, last);
    else if (record?.term !== undefined) {
      checkProclamation(history, event, { place: record.place, term: record.term }, wins);
      proclamations += 1;
    } else if (record !== undefined) {
      const place = tenureAt(history, checkWin(history, event, record, oldestAt(revision)), revision);
      if (winner !== undefined && (winner.key !== place.key || winner.from !== place.from)) handovers += 1;
      wins.set(revision, place);
      winner = place;
    }
    last = record;
  }
  return { wins, handovers, proclamations };
}

function checkWin(history: History, event: KeyEvent, record: LeaderRecord, oldest: Life | undefined): Life {
  if (oldest?.key === record.place) return oldest;
  const revision = event.kv.modRevision;
  const mine = history.lifeAt(record.place, revision);
  const story = `${record.place} (${record.label}) won at revision ${revision}${atTime(history.timeOf(revision))}`;
  if (mine === undefined || oldest === undefined) {
    const lives = history.livesOf(record.place).map(describeLife).join(', ') || 'it never was there';
    broken('ELECTION-1', `${story}, but its place did not stand: ${lives}`);
  }
  if (oldest.from < mine.from)
    broken('ELECTION-1', `${story}, but an older one stood: ${describeLife(oldest)}`);
  return mine;
}

/** The guard is compared with the state before the write: the term had begun, and its place stood. */
function checkProclamation(
  history: History,
  event: KeyEvent,
  { place, term }: { readonly place: Key; readonly term: number },
  wins: ReadonlyMap<number, Life>,
): void {
  const revision = event.kv.modRevision;
  const winner = wins.get(proofOf(term));
  if (winner?.key === place && revision <= winner.to) return;
  const story = `${place} proclaimed under term ${term} at revision ${revision}${atTime(history.timeOf(revision))}`;
  if (winner?.key !== place) broken('ELECTION-5', `${story}, which it had not won`);
  broken('ELECTION-5', `${story}, but its place was ${describeLife(winner)}`);
}

/** Its leader deletes it with its place, or anybody once that is gone, but nobody while it stands. */
function checkDeletion(history: History, event: KeyEvent, last: LeaderRecord | undefined): void {
  const revision = event.kv.modRevision;
  const standing = last && history.lifeAt(last.place, revision);
  if (standing === undefined) return;
  broken(
    'ELECTION-5',
    `the leader key was deleted at revision ${revision}${atTime(history.timeOf(revision))}, while its leader's place stood: ${describeLife(standing)}`,
  );
}
