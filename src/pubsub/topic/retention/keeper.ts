/**
 * Removes what is no longer to be retained.
 *
 * One process of those that use the topic does it: `IF create(k) = 0 THEN put k`, on its session. All look every few seconds, the
 * others whether `k` is free. What makes removing safe is another thing, the compare on what was removed before:
 *
 *     IF create(k) = my term, mod(b/<partition>) = as read
 *     THEN delete m/<partition>/<segment>/<frame>…, put b/<partition> := { upTo, messages }
 *
 * What goes and what is told of it are one revision. A partition is removed from its beginning on: the names of frames are listed as of
 * one revision, and whatever is put later is put later in the log too. Two keepers at a time would refuse each other.
 *
 * Retention does not ask how far groups have come: it wins over slow ones, which are told what they miss. A closed segment of
 * which nothing is left goes too: `IF create(k) = my term, every partition has nothing in it THEN delete s/<segment>`.
 *
 * - *Reply lost*: of standing, `k` is read: this process's name on this session's lease is its own win. Of a removal whose fate
 *   nobody can tell, the term is forgotten: `k` and `b/` are read again before anything else is removed.
 * - *Session lost*: `k` goes with its lease, and whoever looks next stands. Until then nothing is removed, which harms nobody.
 * - *This process pauses*: what it sends when it wakes is refused by its term, or by what another has removed meanwhile.
 * - *History compacted*: names are listed as they are now, so it does not matter.
 */
import { isPermanent, QuorateError } from '../../../errors.js';
import { sharedController, sleep } from '../../../runtime/index.js';
import type { Client, Session } from '../../../session/index.js';
import { compare, get, type Op, put, remove, textOf, txnOf } from '../../../store/index.js';
import { decodeDescription, isLimited, type Retention } from '../description.js';
import { mayWriteAgain } from '../failures.js';
import type { ListedFrame } from '../frame-name.js';
import type { TopicKeys } from '../keys.js';
import { encodeRemoval, nothingRemoved, type Removal, removalIn } from '../reading/removal.js';
import { keyIn } from '../replies.js';
import { retrying } from '../retrying.js';
import { excessOf, mayExceed } from './excess.js';
import { LogSizes, sizeOf } from './log-sizes.js';

const defaultCheckEveryMs = 5_000;
/** Where nothing is limited it is only asked whether that has changed. */
const unlimitedCheckFactor = 6;
const timeoutMs = 10_000;
/** Deletions in one request, beside two compares and a put: below etcd's 128. */
const framesPerRemoval = 100;

const resignWithinMs = 2_000;
/** Segments whose keys are taken away at a time. */
const segmentsPerCheck = 16;

interface Term {
  readonly session: Session;
  /** The create revision of the keeper's key. */
  readonly number: number;
  readonly sizes: LogSizes;
}

/** What was removed of a partition before, and the revision that wrote it. */
interface Before {
  mod: number;
  removal: Removal;
}

export class Keeper {
  readonly #client: Client;
  readonly #keys: TopicKeys;
  readonly #checkEveryMs: number;
  readonly #name: string;
  readonly #closed = sharedController();
  #term: Term | undefined;
  /** The one that its key is on, if it ever stood. */
  #session: Session | undefined;
  #running: Promise<void> | undefined;

  constructor(options: { client: Client; keys: TopicKeys; checkEveryMs?: number | undefined }) {
    this.#client = options.client;
    this.#keys = options.keys;
    this.#checkEveryMs = options.checkEveryMs ?? defaultCheckEveryMs;
    this.#name = options.client.runtime.newId();
  }

  /** Stands for keeper from now on. Idempotent. */
  start(): void {
    if (!this.#closed.signal.aborted) this.#running ??= this.#run();
  }

  /** Gives the place up. Never rejects. */
  async close(): Promise<void> {
    this.#closed.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { runtime } = this.#client;
    const { signal } = this.#closed;
    while (!signal.aborted) {
      let isNeeded = true;
      try {
        isNeeded = await this.#look();
      } catch (error) {
        if (isPermanent(error)) break;
        // Whether it is still the keeper is looked at anew.
        this.#term = undefined;
      }
      const everyMs = this.#checkEveryMs * (isNeeded ? 1 : unlimitedCheckFactor);
      const delayMs = everyMs * (0.75 + runtime.random() / 2);
      await sleep(runtime, delayMs, { signal, background: true }).catch(() => {});
    }
    await this.#resign();
  }

  /** False if there is nothing to be removed ever. */
  async #look(): Promise<boolean> {
    const options = { timeoutMs, signal: this.#closed.signal };
    const [kv] = (await this.#client.store.range({ key: this.#keys.description }, options)).kvs;
    // It is being made.
    if (kv === undefined) return true;
    const { retention, partitions } = decodeDescription(kv.value);
    if (!isLimited(retention)) return false;
    const term = await this.#stand(partitions);
    if (term !== undefined) await this.#keep(term, retention, partitions);
    return true;
  }

  /** Undefined if somebody else is the keeper. */
  async #stand(partitions: number): Promise<Term | undefined> {
    const { client, keys } = this.#parts;
    if (this.#term?.session.isLive()) return this.#term;
    this.#term = undefined;
    const session = await client.session({ timeoutMs, signal: this.#closed.signal });
    this.#session = session;
    const request = txnOf({
      compare: [compare.create(keys.keeper, 'equal', 0), session.guard()],
      success: [put(keys.keeper, this.#name, { lease: session.leaseId })],
      failure: [get(keys.keeper)],
    });
    const { succeeded, revision, replies } = await client.store.txn(request, { timeoutMs });
    const standing = succeeded ? undefined : keyIn(replies[0]);
    // A win whose answer never came.
    const isMine = standing !== undefined && textOf(standing.value) === this.#name;
    if (!succeeded && (!isMine || standing.lease !== session.leaseId)) return undefined;
    const number = standing?.createRevision ?? revision;
    this.#term = { session, number, sizes: new LogSizes(client, keys, partitions) };
    return this.#term;
  }

  async #keep(term: Term, retention: Retention, partitions: number): Promise<void> {
    const { client, keys } = this.#parts;
    const { signal } = term.session;
    const { kvs } = await client.store.range(keys.removals, { timeoutMs, signal });
    await term.sizes.refresh(signal);
    for (let partition = 0; partition < partitions && !this.#closed.signal.aborted; partition += 1) {
      const kv = kvs.find(({ key }) => key === keys.removal(partition));
      const before = {
        mod: kv?.modRevision ?? 0,
        removal: kv === undefined ? nothingRemoved : removalIn(kv),
      };
      await this.#trim(term, retention, partition, before);
    }
    for (const segment of term.sizes.empty.slice(0, segmentsPerCheck))
      await this.#drop(term, segment, partitions);
  }

  /** Removes from the beginning of a partition what is too much. */
  async #trim(term: Term, retention: Retention, partition: number, before: Before): Promise<void> {
    const { sizes } = term;
    const { signal } = term.session;
    const nowMs = this.#client.runtime.wallMs();
    for (const { segment, size } of sizes.segmentsOf(partition)) {
      if (!mayExceed(retention, sizes.totalOf(partition), size.oldestMs, nowMs)) return;
      const frames = await sizes.list(partition, segment, signal);
      const excess = excessOf(retention, sizes.totalOf(partition), frames, nowMs);
      for (let from = 0; from < excess.length; from += framesPerRemoval) {
        await this.#remove(term, partition, before, excess.slice(from, from + framesPerRemoval));
      }
      Object.assign(size, sizeOf(frames.slice(excess.length)));
      if (excess.length < frames.length) return;
    }
  }

  /** Throws where the term is over, or somebody else removed something. */
  async #remove(
    term: Term,
    partition: number,
    before: Before,
    frames: readonly ListedFrame[],
  ): Promise<void> {
    const { client, keys } = this.#parts;
    const last = frames.at(-1);
    if (last === undefined) return;
    const messages = before.removal.messages + sizeOf(frames).messages;
    const removal = { upTo: last.revision, messages };
    const key = keys.removal(partition);
    const gone: Op[] = frames.map((frame) => remove(frame.key));
    const request = txnOf({
      compare: [compare.create(keys.keeper, 'equal', term.number), compare.mod(key, 'equal', before.mod)],
      success: [...gone, put(key, encodeRemoval(removal))],
    });
    const { succeeded, revision } = await client.store.txn(request, {
      timeoutMs,
      signal: term.session.signal,
    });
    if (!succeeded) throw new QuorateError('fenced', 'this process is not the keeper of the topic any more');
    before.mod = revision;
    before.removal = removal;
  }

  async #drop(term: Term, segment: number, partitions: number): Promise<void> {
    const { client, keys } = this.#parts;
    const nothing = Array.from({ length: partitions }, (_, partition) =>
      compare.create(keys.framesOf(partition, segment), 'equal', 0),
    );
    const request = txnOf({
      compare: [compare.create(keys.keeper, 'equal', term.number), ...nothing],
      success: [remove(keys.segment(segment))],
    });
    await client.store.txn(request, { timeoutMs, signal: term.session.signal });
    term.sizes.forget(segment);
  }

  /** Goes on in the background if it takes long, until the session ends, and with it the key. */
  async #resign(): Promise<void> {
    const { client, keys } = this.#parts;
    const session = this.#session;
    if (session === undefined || !session.isLive()) return;
    const request = txnOf({
      compare: [compare.value(keys.keeper, 'equal', this.#name)],
      success: [remove(keys.keeper)],
    });
    // It may be done as often as it likes: the name is nobody else's, and does not stand again.
    const options = { timeoutMs, signal: session.signal, repeatable: true };
    const attempt = () => client.store.txn(request, options);
    const resigned = retrying(client, session.signal, attempt, mayWriteAgain).catch(() => {});
    const isLate = new AbortController();
    const late = sleep(client.runtime, resignWithinMs, { signal: isLate.signal }).catch(() => {});
    await Promise.race([resigned, late]);
    isLate.abort();
  }

  get #parts(): { client: Client; keys: TopicKeys } {
    return { client: this.#client, keys: this.#keys };
  }
}
