/**
 * Software transactional memory: a function that reads and writes keys as if it were alone, and is run again if it was not.
 *
 * **Keys.** Those of the caller, as they are. Of its own, only where a key is hot: a waiting line
 * `{ns}/stm/{key}/l/{id}.{n}` with its mailboxes and sentinel (line/line.ts, line/grant.ts), on the session's lease.
 *
 * **Transactions.** R is the revision of the state that the run has read.
 * - read: a range, or several in one request that only reads, `as of R` from the second on.
 * - commit: `IF mod(k) = m for each key read, mod(range) < R + 1 for each range, mod(w) < R + 1 for each key written unread
 *   THEN the writes ELSE read all of it again`. A key that a range found is among the keys read, so a deletion shows as
 *   `mod(k) = 0`; one that came into the range shows as a revision above R. A refusal brings what the next run reads, all of one
 *   state, in the same reply: a run again costs one request, its commit. What the levels leave out: isolation.ts.
 * - a run that writes nothing, at R, needs no commit: R is a state of the time of the call. Where it was answered from what this
 *   process knew before, or from several states, the same transaction without writes proves that nothing has changed. So it is
 *   with a run that throws: it is not to throw for something that was no more when the call began.
 * - under guards: `IF they stand THEN {the commit}`. Under a hold, by `hold.txn`, since a lock is passed on within a process only
 *   when what was written under it has ended.
 *
 * **Who waits for what.** The first conflicts are answered by another run at once. A key at which a process was overtaken twice
 * within a second is hot, for a second after the last sign of it: whoever has read a hot key and wants to commit stands in its line
 * first, and runs again when its turn has come. A turn is 256 commits or 100 ms, less among more than sixteen, whichever is over first; the last of them leaves
 * the line, and tells the next one, in the same transaction. In its turn a process knows what it wrote itself, so each commit is
 * one request, and the transactions of the process run one after another. Who only reads, or writes without reading, does not stand
 * there. Nobody stands in more than one line, the one of the first hot key in key order, so nobody waits in a circle.
 *
 * **The lock decides nothing.** Every commit carries its compares, in turn or not; the line only keeps others from trying in vain. So
 * whoever waits for longer than 1 s, and 100 ms more for each place before it, takes the holder for dead or asleep, leaves the
 * line alone for 2 s, and goes on as if there were none, after jittered pauses. So does whoever has no session to stand there by.
 *
 * **When things go wrong.** Reply of a commit lost: settled by the exactly-once store, so it is applied once and the caller is told;
 * `unknown` is left for a caller that gave up, or for history that was compacted meanwhile. R compacted before the run has
 * read all: it runs again. Session lost: the place goes, the turn is over, commits go on; only what `tx.guard` names is lost
 * with it. Process paused: its commit finds what it read changed, and is refused. Process dead: as above, within 1 s or so.
 *
 * **Wrong.** To read keys one by one as of now (a run sees what never was); to compare of a range only the keys found (phantoms),
 * or only the range (deletions); to let a holder of the lock commit without its compares; to answer a read-only run from what
 * was known without proof; to try again after an outcome nobody knows; to retry at once for ever (etcd's Go library at 16
 * clients on one key commits less than half of what it does with one).
 */
import { invalidArgument } from '../../errors.js';
import { type Client, checkClient } from '../../session/index.js';
import { AtomicCall, doing } from './atomic-call.js';
import { CallLimit } from './call-limit.js';
import { type AtomicallyOptions, type AtomicallySettings, checkAtomicallyOptions } from './options.js';
import type { Committed, Transaction } from './transaction.js';

/**
 * Runs a function that reads and writes keys, as if nobody else did meanwhile, and applies what it wrote all at once, in one
 * revision:
 *
 * ```ts
 * await atomically(client, async (tx) => {
 *   const [from = 0, to = 0] = await Promise.all([tx.get<number>('accounts/a'), tx.get<number>('accounts/b')]);
 *   if (from < 10) throw new Error('not enough');
 *   tx.put('accounts/a', from - 10);
 *   tx.put('accounts/b', to + 10);
 * });
 * ```
 *
 * **The function may be run several times**: again whenever others were first. So it must do nothing but through `tx` that
 * cannot be done twice. What it throws ends the transaction, nothing is written, and the caller gets it.
 *
 * - Guaranteed, at the default level: strict serializability. Transactions take effect one after the other, each at a moment
 *   within its call; each reads what those before it have written, and nothing else, ranges included. Every run, also one that
 *   is to be repeated, sees one state of the store. Weaker levels: see {@link Isolation}.
 * - Order: none is promised. Where many want one key they stand in a line, first come, first served, each process for 256 commits
 *   or 100 ms at a time at most; a round takes 1.6 s, or 20 ms for each process if that is more. A process that stands still there holds up the others for about a second, and a tenth more for each before them.
 * - Not guaranteed: that the function sees what is newest; only that what it saw still stands when it commits. That a
 *   transaction which takes long beside many short ones ever gets through: see `maxConflicts`.
 * - Errors: what the function throws; `conflict` after `maxConflicts`; `too-many-operations` and `request-too-large` if what it read
 *   and wrote does not fit into one request (about 120 keys and ranges read, or as many written); `fenced`, `hold-lost`,
 *   `session-lost` by {@link Transaction.guard}; `codec`; `aborted` and `timeout` as asked for, with outcome `unknown` if the
 *   commit was under way; the store's own. While the store is away it keeps trying, so give `timeoutMs` or `signal`.
 * - Session loss: it holds nothing through the session, and goes on; what is guarded by one is refused.
 * - Cost: one request for each round of reads and one to commit; none to commit if it writes nothing. Run again: one
 *   request. In a turn at a hot key one request in all; to come by the turn one more, and one read.
 *
 * The algorithm is that of etcd's Go library (clientv3/concurrency/stm.go), with ranges, exactly-once commits, and the line.
 */
export async function atomically<T>(
  client: Client,
  run: (tx: Transaction) => Promise<T> | T,
  options: AtomicallyOptions = {},
): Promise<Committed<T>> {
  checkClient(client);
  if (typeof run !== 'function') throw invalidArgument(`run is of type ${typeof run}`, 'a function');
  return runAtomically(client, run, checkAtomicallyOptions(options, doing));
}

/** The same, of settings that were checked. */
export async function runAtomically<T>(
  client: Client,
  run: (tx: Transaction) => Promise<T> | T,
  settings: AtomicallySettings,
): Promise<Committed<T>> {
  const limit = new CallLimit(client.runtime, settings.wait, doing);
  const call = new AtomicCall(client, run, settings, limit);
  try {
    return await call.untilCommitted();
  } catch (error) {
    throw limit.told(error);
  } finally {
    call.end();
    limit.end();
  }
}
