/**
 * What must hold, by id: the one source of these sentences. docs/invariants.md says the same and more: which property
 * checks each, and which planted bugs that found.
 */
import { InvariantBroken } from './invariant-broken.js';

/** The invariants of this library. */
export const invariants = {
  'ENGINE-1':
    'The engine answers every request as etcd 3.4 does: replies, error codes, revisions, watches, final state.',
  'ENGINE-2': 'A lease ends with all its keys in one revision.',
  'ENGINE-3': 'A watch from the compacted revision sees of it what compaction has left.',
  'ENGINE-4': 'The engine agrees with a naive model on every answer, on the past, and on what watches see.',
  'ENGINE-5': 'A restored snapshot is the same engine: same history, same hash, same future.',
  'ENGINE-6': 'Sorted keys read every range in order.',
  'ENGINE-7': 'Leases come due in the order of their deadlines, never early, and not after they ended.',
  'COMMIT-1': 'Grouped and single execution are indistinguishable.',
  'COMMIT-2':
    'Each transaction takes effect exactly once or never, and its caller is told which, with the reply of that once.',
  'COMMIT-3':
    'The outcome `unknown` is left for a caller that stopped waiting first, or for history that was compacted.',
  'COMMIT-4': 'A late attempt changes nothing once its transaction was decided.',
  'WATCH-1':
    'After `opened` every event above its revision is delivered, to late subscribers of a shared watch too.',
  'WATCH-2': 'A cut is said as such and never taken for news.',
  'WATCH-3': 'Revisions never go back, even where a member that lags reopens the watch.',
  'WATCH-4': 'A watch delivers each revision once, in order and whole, or says that there was a gap.',
  'SESSION-1':
    'The local deadline, and the time to abort, come before the server can expire the lease, with clocks within the stated bound.',
  'SESSION-2':
    'The deadline counts from the send of the newest acknowledged keep-alive, with the TTL in its reply.',
  'SESSION-3': 'Lost is final.',
  'SESSION-4': 'A lease that is gone is noticed at the next keep-alive.',
  'SESSION-5': 'Past the deadline, the first check says so before any timer has run.',
  'SESSION-6': 'A stall with the acknowledgement already in the socket does not end the session.',
  'SESSION-7': 'A lost grant leaves no second lease behind.',
  'SESSION-8': 'What is closed or given up leaves no key, no lease, no timer.',
  'SESSION-9': 'After the deadline the lease is revoked, but not before the margin has passed too.',
  'SESSION-10': 'Callers at the same time share one opening; each gives up for itself.',
  'SESSION-11': 'A lost session is opened anew, one that is in doubt is not.',
  'SESSION-12':
    'A lease renewed beside a blocked event loop is believed in only as far as its acknowledged sends reach, and not beyond the longest stall.',
  'LOCK-1':
    'In the order of revisions, holds never overlap: at the proof of a hold its place stands and none is older.',
  'LOCK-2': 'Tokens strictly increase from grant to grant, over all processes.',
  'LOCK-3':
    'A hand-over costs one delete and one event to each waiting process, and no read in the common case.',
  'LOCK-4': 'A wait that was given up leaves no key behind.',
  'LOCK-5': 'A write of an older hold is never applied after one of a newer.',
  'LOCK-6': 'A hold whose key is deleted ends.',
  'LOCK-7': 'First come, first served between processes.',
  'LOCK-8': 'A process waits at most one slice of each process before it.',
  'LOCK-9': 'Within the stated bound of clocks, beliefs in holds of one lock do not overlap in true time.',
  'LOCK-10':
    'A hand-over passes the hold to the place that was named, in one revision: nobody between, and the old guard is dead.',
  'LOCK-11':
    'After a holder that did not release, nobody holds the lock before the lock-delay has passed since it can last have believed to hold it.',
  'RW-1':
    'In the order of revisions, a writer holds alone: no other place that stands and holds, reader or writer.',
  'RW-2':
    'Writers, and readers behind a writer, are admitted in the order of their places; nobody is passed over.',
  'RW-3':
    'A downgrade keeps the place; an upgrade succeeds whole, or fails at once where two would wait for each other.',
  'SEMAPHORE-1':
    'At the proof of a hold, the weights of its place and of all older ones are within the limit of that revision.',
  'SEMAPHORE-2':
    'First come, first served: no place is admitted before an older one, whatever their weights.',
  'SEMAPHORE-3':
    'A place has one holder at a time: its grants follow one another, with rising tokens, for one slice at most.',
  'SEMAPHORE-4':
    'A request is refused as over the limit only where its weight was above it at a revision since, and then delays nobody.',
  'MULTI-1':
    'A set of locks is held all or none: at the proof for each name its place stands and none is older.',
  'MULTI-2':
    'All places of a set are taken in one revision, so sets that meet never wait for each other in a circle.',
  'CONDITION-1': 'A wait gives the lock up and begins in one revision, so no notification after it is lost.',
  'CONDITION-2':
    'A notification wakes one waiter that is alive, or all, and a waiter that gives up passes its on.',
  'CONDITION-3': 'Who returns from a wait holds the lock.',
  'DEADLOCK-1':
    'A wait fails with `deadlock` only if it had closed a circle of owners that wait for each other, which still stood a moment later.',
  'DEADLOCK-2': 'Of a circle of owners, one is told, so that the others get on.',
  'ELECTION-1': 'At most one leader at any revision: at the win the place stands and none is older.',
  'ELECTION-2': 'Terms strictly increase.',
  'ELECTION-3': 'An observer sees a subsequence of the true leaders, never goes back, and ends at the last.',
  'ELECTION-4': 'The checkpoint found at the win is the newest of all earlier terms, and stays that.',
  'ELECTION-5': 'A deposed leader can write nothing.',
  'ELECTION-6':
    'Within the stated bound of clocks, beliefs in terms of one election do not overlap in true time.',
  'QUEUE-1': 'Nothing enqueued is lost.',
  'QUEUE-2': 'Nothing is in the queue that nobody enqueued; one enqueue makes one item.',
  'QUEUE-3': 'An acknowledged job never comes back.',
  'QUEUE-4':
    'Items are first given out in queue order, which is the order of the calls where one returned before the other began.',
  'QUEUE-5': 'Effects are applied once, with the acknowledgement.',
  'QUEUE-6': 'Only the present holder of a job acknowledges it.',
  'QUEUE-7': 'The jobs of a dead worker come back.',
  'QUEUE-8': 'No item appears at or below the gate, which only moves up.',
  'QUEUE-9': 'Nothing is given out after the revision that paused the queue.',
  'QUEUE-10': 'Jobs that share a key are given out one after another, in queue order, through retries.',
  'QUEUE-11': 'No more jobs of a group, or of all, are given out than its limit lets be in hand.',
  'QUEUE-12': 'No span of time sees more jobs given out than the rate allows for it.',
  'QUEUE-13': 'Whoever has a job that is cancelled is told.',
  'QUEUE-14':
    'Of the calls with one idempotency key one puts an item, until its window is over, and the others are told which.',
  'QUEUE-15': 'A queue that is closed lets nothing in.',
  'QUEUE-16': 'A dead letter that is redriven comes back once.',
  'QUEUE-17':
    'A job ends in one way, acknowledged, cancelled or in the dead letters, and nothing else of it is left; one that failed for good is in the dead letters, once and whole.',
  'QUEUE-18':
    'A result that was asked for is put as its job ends, and says how; no wait misses it or is told that there is none while there may be one.',
  'QUEUE-19':
    'What is enqueued with an acknowledgement is in its queues exactly if that is applied, once, and only where it is let in.',
  'QUEUE-20':
    'No item is first given out while a more urgent one waits that no rule holds back and that is older than what its dispatcher has seen.',
  'QUEUE-21':
    'Items of one priority are first given out in the order of the calls where one returned before the other began.',
  'QUEUE-22': 'No delayed item is given out before its delay is over.',
  'QUEUE-23':
    'A delayed item is in the queue until it ends, once, and enters it with the id, the place and the value that it was given; its delay goes on under every dispatcher.',
  'QUEUE-24':
    'A tick of a schedule is decided once, with one item or, where it was missed, as was asked for.',
  'QUEUE-25':
    'Nothing of a condition queue is given out that is not released, and nothing comes to be among what was released.',
  'QUEUE-26':
    'A release meets a state in which its condition holds, and is of just what that asks for; while the condition holds, it follows.',
  'QUEUE-27':
    'An item is given out only when the tasks that its own comes after were completed; no task waits for itself.',
  'QUEUE-28':
    'In a bounded queue items and unspent credit never grow above the bound, every item is paid for in its revision, and what makes room is nothing that somebody works on, and nothing that comes after an item which nobody was given yet.',
  'QUEUE-29':
    'A producer is told that a bounded queue is full only if it was so meanwhile; one that waits gets in once there is room, in the order of its calls.',
  'STM-1':
    'A serializable transaction has read just the state before its commit, ranges included, and commits within its call.',
  'STM-2':
    'What a transaction writes is written once and all at once if it commits, and never if it does not.',
  'STM-3':
    'Every run of a serializable transaction sees one state of the store, also one that comes to nothing.',
  'STM-4':
    'At the level of a serializable snapshot, nothing that a transaction writes was put by others since its first read.',
  'STM-5':
    'At weaker levels a transaction has read what they allow: keys that stand at its commit, or values that were committed while it ran.',
  'STM-6': 'A transaction commits only while what guards it stands.',
  'TOPIC-1':
    'A message whose publishing was confirmed is in the log once, where it was said to be; one whose publishing was refused is never there.',
  'TOPIC-2':
    'Messages of one key are in one partition, in the order in which they were published, and nothing is put into a segment that was closed.',
  'TOPIC-3':
    'A reader is given every message from its beginning on, in order and once, but for what it is told as a gap.',
  'TOPIC-4':
    'A group hands out messages of one key in their order, each only when those before it are acknowledged or given up.',
  'TOPIC-5': 'A cursor never passes a message that was not acknowledged, put aside or told as a gap.',
  'TOPIC-6':
    'A message whose acknowledgement was confirmed is not handed out again, unless somebody seeks back.',
  'TOPIC-7':
    'A partition has one owner in a group at a time, and nobody else moves its cursor but by seeking.',
  'TOPIC-8':
    'Retention removes a partition from its beginning on, no more than it is to, and says so in the same revision.',
  'TOPIC-9': 'A gap that is told begins and ends where it does, and counts what is missing.',
  'VALUE-1':
    'Every call on a value takes effect at one moment between its beginning and its end, and answers what was so then.',
  'VALUE-2': 'A write of a value is applied once or never, and as its caller is told.',
  'VALUE-3': 'What was made from a state of a value replaces just that state: no update is lost.',
  'VALUE-4': 'A watcher of a value sees a subsequence of its states, never goes back, and ends at the last.',
  'VALUE-5':
    'A reader of changes is told each of them once, in order, or that there is a gap, and between which revisions.',
  'VALUE-6': 'Under a guard nothing is written to a value once that has ended.',
  'COUNTER-1':
    'Every call on a counter takes effect at one moment between its beginning and its end, once, and answers what was so then.',
  'COUNTER-2': 'A counter never passes its bounds.',
  'IDS-1': 'No id is given out twice.',
  'IDS-2': 'The ids of one allocator increase, in the order of its calls.',
  'IDS-3': 'An id is given out only once it is reserved.',
  'BARRIER-1': 'A wait returns only if the gate was open at a revision since it was called.',
  'BARRIER-2':
    'An opening releases everybody who waits, even where the gate is closed again at once and watches were cut.',
  'BARRIER-3':
    'A gate is closed by one at a time; it is opened by who closed it, with its session, or by whoever asked to, and a persistent one by nothing else.',
  'LATCH-1':
    'A latch opens in the revision in which as many different arrivals as it takes have been counted, and not before.',
  'LATCH-2': 'A wait returns only once the latch is open.',
  'LATCH-3': 'An arrival counts once, and one that was told to be counted is.',
  'DOUBLE-1':
    'A round is let in when as many members as it takes stand at one revision, since when none has withdrawn, and nobody else enters it.',
  'DOUBLE-2':
    'A round is over when all of its members have left, and with the policy `break` only if none of them has died.',
  'DOUBLE-3': 'Who is told that a round is broken waited with somebody that died, with the policy `break`.',
  'DOUBLE-4': 'Members enter in the order in which they came; one is refused only where the round is full.',
  'DOUBLE-5': 'Who gives up, leaves or dies leaves no key behind.',
  'CYCLIC-1':
    'A generation passes only once as many members as it takes had arrived in it, all at one revision; who comes later is of the next.',
  'CYCLIC-2':
    'All who arrived in a generation are told the same, once it is so, and one arrival passes one generation.',
  'CYCLIC-3':
    'The action of a generation is finished, once, by one that had claimed it, before anybody passes.',
  'CYCLIC-4': 'A generation is broken, or takes fewer, only for a cause that its policy has.',
  'CYCLIC-5': 'A wait that was given up leaves neither an arrival nor a member behind.',
  'PHASER-1': 'A phase ends only when every member that is registered at that revision has arrived in it.',
  'PHASER-2':
    'Phases follow one another without a gap, and an arrival counts once, in the phase that its caller is told.',
  'PHASER-3': 'Nobody is told that a phase is over before its end.',
  'PHASER-4': 'A member that left or died leaves no key behind, and keeps no phase waiting.',
  'REPLICA-1': 'What a replica shows is the state of one revision, all of it, and never goes back.',
  'REPLICA-2':
    'Whoever follows a replica is told every change once, in order, and those of a revision together; what came between is left out only where that is told as a difference.',
  'REPLICA-3':
    'Everything shows in a replica that had been committed before the moment of which it is said to be fresh.',
  'REPLICA-4':
    'A write of a replicated map is applied once or never, as its caller is told, and shows in his replica when it is answered.',
  'REPLICA-5':
    'What was made from entries of a replicated map replaces just the state that it was made from.',
  'REPLICA-6': 'What cannot be read reaches no reader of a replica, and the last that could stays.',
  'REPLICA-7':
    'A replica never holds more than its limits, and goes on by itself once what it mirrors is within them.',
  'CHANNEL-1':
    'A message is published once or never, as its caller is told, and where; what is published together stands together, or not at all.',
  'CHANNEL-2':
    'Messages stand in the order of the calls of one publisher, save those that a caller gave up, and in that of time, where one call settled before another began.',
  'CHANNEL-3':
    'A subscriber is told every message after where it began, in order and none twice, or that there is a gap.',
  'CHANNEL-4':
    'A gap says just what is missing; it is of what compaction took, or of what a subscriber that asked for that had no room for. Only where compaction left a message that nobody can know to be the only one it may say that something is missing before that, and nothing is.',
  'CHANNEL-5': 'Everything that is published after a subscription has begun is told to it.',
  'CHANNEL-6': 'A pattern is told the messages of the channels whose names begin so, and of no others.',
  'CHANNEL-7': 'Under a guard nothing is published once that has ended.',
  'CONFIG-1':
    'What a reader is given is, document by document, what stood in the store at one revision: no half of an atomic change, no layer of others.',
  'CONFIG-2': 'What a reader is given never goes back.',
  'CONFIG-3':
    'No reader is given a document that its schema refuses: it keeps the last revision that has none, and is told why.',
  'CONFIG-4':
    'A rollout is taken by exactly those whom its rules name, a share of them by a stable hash, and whoever has taken it keeps it while it grows.',
  'CONFIG-5':
    'A promotion gives to all exactly what was rolled out, in the place of what that was made from, and an abort to nobody; of the rollout as it was seen.',
  'CONFIG-6': 'A change is applied once, whole, and only to what it expects, and its caller is told which.',
  'CONFIG-7':
    'A document that asks for a review is changed only by what as many others as it asks for have approved, as it stands, and nobody rejects.',
  'CONFIG-8':
    'Every change is in the history of its documents, once and in order, with what was there before and after; as much of it is kept as is asked for.',
  'CONFIG-9':
    'What a reader is given is never older than it tells, and after a sync never older than that call.',
  'CONFIG-10':
    'What is kept on disk as the last known good is what was given at one revision, whole, and never replaced by an older one of its cluster; it is given as offline, or refused for a reason that is told.',
  'CONFIG-11':
    'Whoever reads a file of an agent finds a whole version of one revision, and never an older one of its cluster than before.',
  'CONFIG-12':
    'The last change of the files of an agent is followed by a run of its command, whatever crashes in between, and no two runs overlap.',
} as const;

/** The id of an invariant, for example `LOCK-1`. */
export type InvariantId = keyof typeof invariants;

/** Throws the sentence of the invariant with the evidence that it was broken. */
export function broken(id: InvariantId, evidence: string): never {
  throw new InvariantBroken(id, invariants[id].replace(/\.$/, ''), evidence);
}
