import { offAbort, onAbort } from '../../runtime/index.js';
import { type Compare, compare, get, type Key, type KeyValue, put } from '../../store/index.js';
import { FactFollower } from '../../watch/index.js';
import { type Standing, Vigil } from '../vigil.js';
import { lastOf, runAction } from './elect.js';
import {
  begunAnew,
  decodeGeneration,
  encodeGeneration,
  fateOf,
  firstGeneration,
  type Generation,
  type GenerationRecord,
  passed,
} from './generation.js';
import type { CyclicKit } from './kit.js';
import { Members } from './members.js';
import { dueIn, looks, type Seen, seenIn } from './seen.js';
import type { Waiting } from './waiting.js';

/** What one object knows of its barrier, and who of it waits there. */
export class Board {
  readonly members = new Members();
  readonly #kit: CyclicKit;
  readonly #follower: FactFollower;
  readonly #vigil: Vigil;
  /** Those who wait, and what takes off their hook on the end of their session. */
  readonly #waits = new Map<Waiting, () => void>();
  #stopListening: (() => void) | undefined;
  #now: Generation | undefined;
  #asOf = 0;

  constructor(kit: CyclicKit) {
    const { client, keys } = kit;
    const { hub, store, runtime } = client;
    this.#kit = kit;
    this.#follower = new FactFollower({
      ...{ hub, store, runtime },
      ...{ key: keys.generation, recheckMs: client.ttlMs },
    });
    this.#vigil = new Vigil({
      ...{ client, members: keys.members, ttlMs: () => client.ttlMs },
      look: (signal) => this.#look(signal),
      onFailure: (error) => this.#fail(error),
    });
  }

  /** The generation as it was last known here. */
  get now(): Generation | undefined {
    return this.#now;
  }

  /** Reads it all, at one revision. */
  async read(signal: AbortSignal): Promise<Seen> {
    const { client, keys, settings } = this.#kit;
    const request = { compare: [], success: looks(keys, this.#now?.since ?? 0), failure: [] };
    const { replies, revision } = await client.store.txn(request, { signal });
    const seen = seenIn(replies, revision, settings);
    this.learn(seen.generationKv, revision);
    return seen;
  }

  /** Somebody knows the generation as it was at a revision. Ends the waits that it decides. */
  readonly learn = (kv: KeyValue | undefined, revision: number): void => {
    this.#follower.learn(kv, revision);
    this.#see(kv, revision);
  };

  /** It has arrived, as this reply shows; without one, a look is due. */
  add(wait: Waiting, seen?: Seen): void {
    const { signal } = wait.member.session;
    const lost = () => this.#end(wait, { status: 'failed', error: signal.reason });
    this.members.waits(wait.member);
    if (signal.aborted) {
      wait.end({ status: 'failed', error: signal.reason });
      return;
    }
    onAbort(signal, lost);
    this.#waits.set(wait, () => offAbort(signal, lost));
    this.#vigil.start();
    this.#listen();
    this.#settle(wait);
    if (!this.#waits.has(wait)) return;
    if (seen === undefined) {
      this.#vigil.look();
      return;
    }
    const standing = this.#standingIn(seen);
    if (standing !== undefined) this.#vigil.stands(standing);
    this.#act(seen).catch(() => this.#vigil.look());
  }

  /** It waits no more. */
  remove(wait: Waiting): void {
    const unhook = this.#waits.get(wait);
    if (unhook === undefined) return;
    this.#waits.delete(wait);
    unhook();
    if (this.#waits.size > 0) return;
    this.#vigil.stop();
    this.#stopListening?.();
    this.#stopListening = undefined;
  }

  /** Nobody is left who knows what had happened: begins anew, if that is still so. */
  async revive({ now, dead }: Seen, signal: AbortSignal): Promise<void> {
    const { keys } = this.#kit;
    await this.#write(now, begunAnew(now, dead), signal, [compare.create(keys.members, 'equal', 0)]);
  }

  #listen(): void {
    if (this.#stopListening !== undefined) return;
    const stop = this.#follower.listen({
      see: (fact) => {
        if (fact.status === 'present') this.#see(fact.kv, fact.revision);
        else if (fact.status === 'absent') this.#see(undefined, fact.revision);
      },
      fail: (error) => {
        this.#stopListening = undefined;
        this.#fail(error);
      },
    });
    // What it was told at once may have been what everybody waited for.
    if (this.#waits.size > 0) this.#stopListening = stop;
    else stop();
  }

  #see(kv: KeyValue | undefined, revision: number): void {
    if (revision < this.#asOf) return;
    this.#asOf = revision;
    const before = this.#now;
    try {
      const { parties, deadMembers } = this.#kit.settings;
      this.#now = kv === undefined ? firstGeneration(parties, deadMembers, revision) : decodeGeneration(kv);
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (before?.mod === this.#now.mod && kv !== undefined) return;
    for (const wait of [...this.#waits.keys()]) this.#settle(wait);
    if (this.#waits.size > 0) this.#vigil.look();
  }

  #settle(wait: Waiting): void {
    if (this.#now === undefined) return;
    const fate = fateOf(this.#now, wait.arrivedAt);
    if (fate.status !== 'pending') this.#end(wait, fate);
  }

  #end(wait: Waiting, outcome: Parameters<Waiting['end']>[0]): void {
    this.remove(wait);
    wait.end(outcome);
  }

  #fail(error: unknown): void {
    for (const wait of [...this.#waits.keys()]) this.#end(wait, { status: 'failed', error });
  }

  async #look(signal: AbortSignal): Promise<Standing | undefined> {
    const seen = await this.read(signal);
    const standing = this.#standingIn(seen);
    for (const wait of [...this.#waits.keys()]) {
      const { member, arrivedAt } = wait;
      const stands = seen.arrived.some(
        ({ key, modRevision }) => key === member.key && modRevision === arrivedAt,
      );
      if (!stands && arrivedAt <= seen.revision) this.#end(wait, { status: 'gone' });
    }
    if (this.#waits.size > 0) await this.#act(seen);
    return standing;
  }

  /** Where the first of this object stands among those who have arrived. */
  #standingIn({ arrived, revision }: Seen): Standing | undefined {
    const own = new Set<Key>([...this.#waits.keys()].map(({ member }) => member.key));
    const rank = arrived.findIndex(({ key }) => own.has(key));
    return rank < 0 ? undefined : { rank, monitor: arrived[0]?.key, revision };
  }

  /** Does what is due, if that is for this process to do. */
  async #act(seen: Seen): Promise<void> {
    const { client } = this.#kit;
    const { now, arrived } = seen;
    const due = dueIn(seen, client.label);
    if (due.kind === 'rewrite') await this.#write(now, due.to);
    if (due.kind !== 'full') return;
    // The last one knows first. If it should have died, it is for the monitor.
    const last = arrived[now.required - 1]?.key;
    const [first] = arrived;
    const waits = [...this.#waits.keys()];
    const chosen =
      waits.find(({ member }) => member.key === last) ??
      waits.find(({ member }) => member.key === first?.key);
    if (chosen !== undefined) await this.#conclude(seen, due.upTo, chosen);
  }

  async #conclude({ now }: Seen, upTo: number, chosen: Waiting): Promise<void> {
    const { settings } = this.#kit;
    if (settings.action === undefined) {
      await this.#write(now, passed(now, upTo));
      return;
    }
    if (chosen.electing !== undefined) return;
    const over = () => {
      chosen.electing = undefined;
    };
    const election = { kit: this.#kit, now, upTo, chosen, learn: this.learn };
    chosen.electing = runAction(election).then(over, () => {
      over();
      this.#vigil.look();
    });
  }

  /** Writes the generation, if it is still what it was and nobody is about to end it. */
  async #write(
    now: Generation,
    to: GenerationRecord,
    signal?: AbortSignal,
    more: readonly Compare[] = [],
  ): Promise<void> {
    const { client, keys } = this.#kit;
    const { replies, revision } = await client.store.txn(
      {
        compare: [
          compare.mod(keys.generation, 'equal', now.mod),
          compare.create(keys.elect, 'equal', 0),
          ...more,
        ],
        success: [put(keys.generation, encodeGeneration(to)), get(keys.generation)],
        failure: [get(keys.generation)],
      },
      { signal },
    );
    this.learn(lastOf(replies), revision);
  }
}
