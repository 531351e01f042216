/** Whether replicas of a map were ones: what they showed, what they told and how fresh they called themselves, against its history. */
import { type Key, type KeyEvent, type KeyValue, prefixRange, textOf } from '../store/index.js';
import { countUpTo } from './ascending.js';
import type { History } from './history.js';
import { checkMapCalls, type MapCall } from './replica-calls.js';
import { checkFollower, inWords, isSame, type Shown } from './replica-followers.js';
import type { ReplicaSight, SeenMapBatch, SeenMapChange, SeenMapEntry, ToldReplica } from './replica-told.js';
import { broken } from './sentences.js';

export interface ReplicaCheck {
  readonly history: History;
  /** What the keys of entries begin with; their names follow. */
  readonly entries: Key;
  /** Whether a value can be read. */
  readonly isReadable: (text: string) => boolean;
  readonly replicas: readonly ToldReplica[];
  readonly calls?: readonly MapCall[];
  /** Names of programs that write too, in the texts that they write. */
  readonly isForeign?: (text: string) => boolean;
}

export interface ReplicaCounts {
  readonly batches: number;
  readonly resets: number;
  /** Resets that differed in something. */
  readonly gaps: number;
  readonly looks: number;
  /** Batches that a follower was told several of as one. */
  readonly conflated: number;
  /** Writes whose callers were never told. */
  readonly untold: number;
}

/** What a replica knows of an entry. */
interface Known {
  readonly newest: number;
  readonly created: number;
  readonly shown: SeenMapEntry | undefined;
}

/**
 * Throws `InvariantBroken` for
 * - REPLICA-1: a look that is not the state of its revision, or goes back;
 * - REPLICA-2: a change that was not told, told twice, told out of order or in part, to a listener or a follower;
 * - REPLICA-3: something that is not there though it had been committed before the replica was called fresh;
 * - REPLICA-6: something that cannot be read, or is not the last that could;
 * - REPLICA-4, REPLICA-5: see `checkMapCalls`.
 */
export function checkReplica(options: ReplicaCheck): ReplicaCounts {
  const { history, entries, replicas, calls = [], isForeign = () => false } = options;
  const changed = changedRevisions(history, entries);
  const counts = { batches: 0, resets: 0, gaps: 0, looks: 0, conflated: 0 };
  for (const replica of replicas) {
    const replayed = new ReplicaReplay(options, replica, changed);
    for (const sight of replica.sights) replayed.take(sight);
    if (replica.isStanding) replayed.mustStandAt(changed.at(-1)?.revision ?? 0);
    for (const follower of replica.followers) counts.conflated += replayed.follow(follower);
    const batches = replica.sights.filter((sight) => sight.what === 'batch');
    const resets = batches.filter(({ type }) => type === 'reset');
    counts.batches += batches.length;
    counts.resets += resets.length;
    counts.gaps += resets.filter(({ changes }) => changes.length > 0).length;
    counts.looks += replica.sights.filter(({ what }) => what === 'look').length;
  }
  return { ...counts, untold: checkMapCalls({ history, entries, calls, isForeign }) };
}

/** A revision that changed entries. */
interface Changed {
  readonly revision: number;
  readonly atMs: number;
  readonly events: readonly KeyEvent[];
}

function changedRevisions(history: History, entries: Key): readonly Changed[] {
  return history.entries.flatMap(({ revision, events, atMs = 0 }) => {
    const ours = events.filter(({ kv }) => kv.key.startsWith(entries));
    return ours.length === 0 ? [] : [{ revision, atMs, events: ours }];
  });
}

/** One replica, as it must have been after each thing that was seen of it. */
class ReplicaReplay {
  readonly #check: ReplicaCheck;
  readonly #replica: ToldReplica;
  readonly #changed: readonly Changed[];
  readonly #known = new Map<string, Known>();
  /** What it showed, and could not read, as of each revision of which a batch was told, or that it was loaded with, ascending. */
  readonly #shownAt: (Shown & { readonly revision: number })[] = [];
  #at = -1;

  constructor(check: ReplicaCheck, replica: ToldReplica, changed: readonly Changed[]) {
    this.#check = check;
    this.#replica = replica;
    this.#changed = changed;
  }

  take(sight: ReplicaSight): void {
    if (sight.what === 'batch') this.#batch(sight);
    else if (sight.what === 'sync') {
      this.#mustHave(sight.calledAtMs, sight.revision, `answered sync with revision ${sight.revision}`);
    } else this.#look(sight);
  }

  mustStandAt(last: number): void {
    if (this.#at < last) this.#broken('REPLICA-2', `was told nothing of revision ${last}`);
  }

  /** Answers how many batches it was not told one by one. */
  follow(batches: readonly SeenMapBatch[]): number {
    const { process, isStanding } = this.#replica;
    return checkFollower({ process, batches, shownAt: this.#shownAt, isStanding });
  }

  #look({ revision, entries, stalenessMs, atMs }: Extract<ReplicaSight, { what: 'look' }>): void {
    const looked = `showed as of revision ${revision}`;
    if (this.#at < 0) {
      this.#expectedReset(revision);
      this.#stand(revision);
    }
    if (revision < this.#at) this.#broken('REPLICA-1', `${looked}, after revision ${this.#at}`);
    this.#passSilently(revision + 1, looked);
    const shown = new Map(entries.map((entry) => [entry.name, entry.revision]));
    const expected = this.#shown();
    for (const { name, text, revision: written } of entries) {
      if (!this.#check.isReadable(text)) this.#broken('REPLICA-6', `${looked} ${name} as ${text}`);
      const kv = this.#check.history.valueAt(this.#check.entries + name, written);
      if (kv?.modRevision !== written || textOf(kv.value) !== text) {
        this.#broken('REPLICA-1', `${looked} ${name} as ${text} of ${written}, which there never was`);
      }
    }
    if (!isSame(shown, expected)) {
      this.#broken('REPLICA-1', `${looked} ${inWords(shown)}, when it was ${inWords(expected)}`);
    }
    const { clockRateError } = this.#replica;
    if (!Number.isFinite(clockRateError) || !Number.isFinite(stalenessMs)) return;
    const asOfMs = atMs - stalenessMs / (1 - clockRateError) - 1;
    this.#mustHave(
      asOfMs,
      revision,
      `called itself ${Math.round(stalenessMs)} ms old at ${Math.round(atMs)} ms`,
    );
  }

  #batch({ type, revision, changes }: SeenMapBatch): void {
    const told = `told of revision ${revision}`;
    if (type === 'reset' ? revision < this.#at : revision <= this.#at) {
      this.#broken('REPLICA-2', `${told} after revision ${this.#at}`);
    }
    if (type === 'revision') this.#passSilently(revision, told);
    const expected = type === 'reset' ? this.#expectedReset(revision) : this.#expectedOf(revision);
    if (briefly(changes) !== briefly(expected)) {
      const isOfUnreadable = [...changes, ...expected].some(({ unreadable }) => unreadable !== undefined);
      this.#broken(
        isOfUnreadable ? 'REPLICA-6' : 'REPLICA-2',
        `${told} ${briefly(changes)}, when it was ${briefly(expected)}`,
      );
    }
    this.#stand(revision);
  }

  /** Of the revisions before this one that it was told nothing of, there was nothing to tell. */
  #passSilently(before: number, evidence: string): void {
    for (const { revision } of this.#between(this.#at, before)) {
      const untold = this.#expectedOf(revision);
      if (untold.length > 0)
        this.#broken('REPLICA-2', `${evidence}, and told nothing of revision ${revision}`);
      this.#at = revision;
    }
  }

  #stand(revision: number): void {
    this.#at = revision;
    // A reset may be as of the revision at which it stood.
    if (this.#shownAt.at(-1)?.revision === revision) this.#shownAt.pop();
    this.#shownAt.push({ revision, shown: this.#shown(), unreadable: this.#unreadable() });
  }

  #expectedOf(revision: number): readonly SeenMapChange[] {
    const [changed] = this.#between(revision - 1, revision + 1);
    return (changed?.events ?? []).flatMap(({ type, kv }) =>
      this.#learn(this.#nameOf(kv), type === 'put' ? kv : undefined),
    );
  }

  #expectedReset(revision: number): readonly SeenMapChange[] {
    const { history, entries } = this.#check;
    const now = new Map(history.rangeAt(prefixRange(entries), revision).map((kv) => [this.#nameOf(kv), kv]));
    const names = [...new Set([...now.keys(), ...this.#known.keys()])];
    return names.flatMap((name) => {
      const kv = now.get(name);
      return this.#known.get(name)?.newest === (kv?.modRevision ?? 0) ? [] : this.#learn(name, kv);
    });
  }

  /** What it comes to know of an entry, and what is to be told of that. */
  #learn(name: string, kv: KeyValue | undefined): readonly SeenMapChange[] {
    const before = this.#known.get(name);
    const previous = before?.shown ?? null;
    if (kv === undefined) {
      this.#known.delete(name);
      // Also of what could never be read it was told that it stood there.
      return before === undefined ? [] : [{ name, previous, current: null }];
    }
    const { createRevision: created, modRevision: newest } = kv;
    const text = textOf(kv.value);
    const isReadable = this.#check.isReadable(text);
    const kept = before?.created === created ? before.shown : undefined;
    const shown = isReadable ? { name, revision: newest, text } : kept;
    this.#known.set(name, { newest, created, shown });
    const change = { name, previous, current: shown ?? null };
    return [isReadable ? change : { ...change, unreadable: newest }];
  }

  /** REPLICA-3. */
  #mustHave(committedBeforeMs: number, revision: number, claim: string): void {
    const missing = this.#changed[countUpTo(this.#changed, revision, (one) => one.revision)];
    if (missing === undefined || missing.atMs >= committedBeforeMs) return;
    const evidence = `${claim}, standing at ${revision}, when ${missing.revision} had been committed at ${missing.atMs} ms`;
    this.#broken('REPLICA-3', evidence);
  }

  #between(after: number, before: number): readonly Changed[] {
    const from = countUpTo(this.#changed, after, ({ revision }) => revision);
    const to = countUpTo(this.#changed, before - 1, ({ revision }) => revision);
    return this.#changed.slice(from, Math.max(from, to));
  }

  #shown(): ReadonlyMap<string, number> {
    return new Map(
      [...this.#known].flatMap(([name, { shown }]) => (shown === undefined ? [] : [[name, shown.revision]])),
    );
  }

  #unreadable(): ReadonlyMap<string, number> {
    return new Map(
      [...this.#known].flatMap(([name, { newest, shown }]) =>
        shown?.revision === newest ? [] : [[name, newest]],
      ),
    );
  }

  #nameOf({ key }: KeyValue): string {
    return key.slice(this.#check.entries.length);
  }

  #broken(id: Parameters<typeof broken>[0], evidence: string): never {
    return broken(id, `the replica of ${this.#replica.process} ${evidence}`);
  }
}

function briefly(changes: readonly SeenMapChange[]): string {
  const each = changes.map(({ name, previous, current, unreadable }) => {
    const refused = unreadable === undefined ? '' : ` but not ${unreadable}`;
    return `${name} ${previous?.revision ?? 'none'} to ${current?.revision ?? 'none'}${refused}`;
  });
  return `[${each.sort().join('; ')}]`;
}
