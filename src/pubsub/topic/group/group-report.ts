/** How far a group has come, and who does what in it, as of one revision. */
import type { WaitOptions } from '../../../runtime/index.js';
import type { Client } from '../../../session/index.js';
import { get, getPrefix, type RangeOp, textOf, txnOf } from '../../../store/index.js';
import type { GroupKeys, TopicKeys } from '../keys.js';
import { isAfter, type Position } from '../position.js';
import { scanLog } from '../reading/log-scan.js';
import { nothingRemoved, type Removal, removalIn } from '../reading/removal.js';
import { keyIn, keysIn } from '../replies.js';
import { retrying } from '../retrying.js';
import { assign } from './assignment.js';
import { type Cursor, decodeCursor, doneBetween, isDone } from './cursor.js';
import { applyTo, emptyState, type GroupState } from './group-view.js';

const readTimeoutMs = 10_000;

/** Why messages of a partition are not handed out, if that is so; `'working'`: somebody owns it who is to own it. */
export type PartitionStanding =
  | { readonly status: 'working' }
  /** The group has no members. */
  | { readonly status: 'no-members' }
  /** Free, for a member that has not claimed it yet. */
  | { readonly status: 'unclaimed'; readonly by: string }
  /** Its owner is to give it to another member, or has died and its session has not ended yet. */
  | { readonly status: 'handing-over'; readonly to: string | undefined }
  /** A message failed too often, and the group is told to stop there. See `resume`. */
  | { readonly status: 'stopped'; readonly at: Position; readonly reason: string };

export interface PartitionReport extends Lag {
  /** The member that owns it. */
  readonly owner: string | undefined;
  readonly standing: PartitionStanding;
  /** The last message before which everything is dealt with. Undefined: the group has never begun. */
  readonly cursor: Position | undefined;
  /** Above it: dealt with, and not counted as lag. */
  readonly doneAbove: number;
}

export interface Lag {
  readonly partition: number;
  /** How many messages are there that the group has not dealt with. */
  readonly messages: number;
  /** How many it has not dealt with and never will, since retention has removed them; undefined if nobody has counted. */
  readonly missed: number | undefined;
}

export interface GroupReport {
  /** As of this revision. */
  readonly revision: number;
  /** Ids, and the labels of their clients. */
  readonly members: readonly { readonly id: string; readonly label: string }[];
  readonly partitions: readonly PartitionReport[];
}

interface Known {
  readonly revision: number;
  readonly state: GroupState;
  readonly labels: ReadonlyMap<string, string>;
  readonly cursors: readonly (Cursor | undefined)[];
  readonly removals: readonly Removal[];
}

/** Cost: one read, and the names of what is behind the cursors: see `scanLog`. */
export function reportGroup(options: {
  client: Client;
  keys: TopicKeys;
  group: GroupKeys;
  partitions: number;
  signal: AbortSignal;
}): Promise<GroupReport> {
  const { client, keys, partitions, signal } = options;
  return retrying(client, signal, async () => {
    const known = await readGroup(options);
    const { cursors, revision, removals, state } = known;
    const behind = cursors.map(() => 0);
    const begun = cursors.flatMap((cursor, partition) => (cursor === undefined ? [] : [partition]));
    const since = Math.min(...cursors.map((cursor) => cursor?.after.revision ?? Number.MAX_SAFE_INTEGER));
    await scanLog({ client, keys, partitions: begun, revision, since, signal }, (partition, frames) => {
      const cursor = cursors[partition];
      if (cursor === undefined) return;
      for (const frame of frames) {
        for (let index = 0; index < frame.messages; index += 1) {
          const at = { revision: frame.revision, index };
          if (isAfter(at, cursor.after) && !isDone(cursor, at))
            behind[partition] = (behind[partition] ?? 0) + 1;
        }
      }
    });
    const plan = assign([...state.members.keys()], partitions);
    return {
      revision,
      members: [...state.members.keys()].map((id) => ({ id, label: known.labels.get(id) ?? '' })),
      partitions: cursors.map((cursor, partition): PartitionReport => {
        const owner = state.owners.get(partition)?.member;
        const missed = cursor === undefined ? 0 : missedBy(cursor, removals[partition] ?? nothingRemoved);
        return {
          ...{ partition, owner, messages: behind[partition] ?? 0 },
          ...{
            missed,
            cursor: cursor?.after,
            doneAbove: cursor === undefined ? 0 : doneBetween(cursor, cursor.after),
          },
          standing: standingOf(cursor, owner, plan[partition]),
        };
      }),
    };
  });
}

function missedBy({ after, count, done }: Cursor, { upTo, messages }: Removal): number | undefined {
  if (upTo < after.revision) return 0;
  return count === undefined ? undefined : Math.max(0, messages - count - doneBetween({ done }, after, upTo));
}

function standingOf(
  cursor: Cursor | undefined,
  owner: string | undefined,
  wanted: string | undefined,
): PartitionStanding {
  if (cursor?.stopped !== undefined) {
    const { revision, index, reason } = cursor.stopped;
    return { status: 'stopped', at: { revision, index }, reason };
  }
  if (owner !== undefined && owner === wanted) return { status: 'working' };
  if (owner !== undefined) return { status: 'handing-over', to: wanted };
  return wanted === undefined ? { status: 'no-members' } : { status: 'unclaimed', by: wanted };
}

async function readGroup(options: {
  client: Client;
  keys: TopicKeys;
  group: GroupKeys;
  partitions: number;
  signal: AbortSignal;
}): Promise<Known> {
  const { client, keys, group, partitions, signal } = options;
  const all = Array.from({ length: partitions }, (_, partition) => partition);
  const success: RangeOp[] = [
    getPrefix(group.watched.key),
    ...all.map((partition) => get(group.cursor(partition))),
    { type: 'range', ...keys.removals },
  ];
  const wait: WaitOptions = { timeoutMs: readTimeoutMs, signal };
  const { replies, revision } = await client.store.txn(txnOf({ success }), wait);
  const state = emptyState();
  const labels = new Map<string, string>();
  for (const kv of keysIn(replies[0])) {
    applyTo(state, group, kv, true);
    if (kv.key.startsWith(group.members.key)) labels.set(group.memberIn(kv.key), textOf(kv.value));
  }
  const removed = keysIn(replies.at(-1));
  return {
    ...{ revision, state, labels },
    cursors: all.map((partition) => {
      const kv = keyIn(replies[1 + partition]);
      return kv && decodeCursor(kv);
    }),
    removals: all.map((partition) => removalIn(removed.find(({ key }) => key === keys.removal(partition)))),
  };
}
