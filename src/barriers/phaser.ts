/**
 * A barrier whose members come and go: all that are registered arrive, and the next phase begins.
 *
 * **Protocol.** Keys below `{ns}/phaser/{name}/`:
 * - `phase`, unleased: the fact that all wait for, the number of the phase. Absent: phase 0.
 * - `m/{id}`, on its session's lease: a member. Put when it registers, and again at each arrival. With p the mod revision of `phase`, it has
 *   arrived in the phase if its mod revision is above p and above its own creation. Registration and arrival are one key, so
 *   they die together.
 *
 * Transactions:
 * - register: `IF anchor stands THEN put m, get phase`. Nothing is compared with the phase: the reply says into which it registered, and
 *   none can end from then on without it.
 * - arrive: `IF mod(m) = r, anchor stands, mod(phase) > r THEN put m, get phase, members above p` (without the last compare for the first
 *   arrival). Refused by the last, it has arrived in this phase already. The reply tells who has arrived of how many.
 * - end the phase, by who sees at revision R that all have arrived: `IF mod(phase) = p, create of all m/ < R + 1 THEN put phase`. Who
 *   registered since refuses it; who was registered then has arrived, and that is not undone but by going.
 * - leave: `IF mod(m) = r THEN delete m, get phase, members above p`.
 *
 * **Who waits for what.** All wait for `phase`: one event. The last to arrive, or to leave, knows by its reply that it was. Where
 * that one died on the way, or the last that was missing died, the monitor ends the phase: the first that arrived, see vigil.ts.
 * A process keeps watch from its arrival on, whether it waits or not.
 *
 * **When things go wrong.** Reply lost: settled by the exactly-once store; where that cannot tell, what stands is read, and the guard of an
 * arrival makes a repeated one count once. Session lost, or the process dead: the member goes with the lease, and the rest go on.
 * Process paused: it finds the phase ended by whoever was left, or holds it up until its lease ends. Watch cut, history compacted:
 * `phase` is read. Its absence is phase 0, so never news of an end.
 *
 * The proposal had `reg/` and `p/{phase}/`, deleted at the end of each phase, and registration refused while a phase ends. One key for
 * both needs no deletions, which the monitor would be told of, and lets members register without being refused.
 *
 * **Wrong variants**, each planted as a mutant: to end a phase past a newcomer; to end it twice; to count an arrival of the phase
 * before; to take who registered for one who arrived; to leave it to the last arrival alone.
 */
import { invalidArgument, shown } from '../errors.js';
import { checkWaitOptions, type WaitOptions } from '../runtime/index.js';
import { orGiveUp } from '../runtime/or-give-up.js';
import { type Client, checkClient } from '../session/index.js';
import { checkName, compare } from '../store/index.js';
import { labelIn } from './member-record.js';
import { arrive } from './phaser/arrival.js';
import { deregister, Membership, register } from './phaser/membership.js';
import { looksAt, looksAtCount, phaserKeysOf, seenPhaseIn } from './phaser/phase.js';
import { PhaserBoard } from './phaser/phaser-board.js';
import { internalsOfMember, PhaserMember } from './phaser/phaser-member.js';

/** A phaser as it was at one revision. */
export interface PhaserView {
  readonly revision: number;
  readonly phase: number;
  readonly registered: number;
  /** The labels of members that have arrived in this phase, the first first. */
  readonly arrived: readonly string[];
  /** The labels of those that the phase waits for. */
  readonly awaited: readonly string[];
}

/** How many members may register, or arrive, in one request. */
const mostAtOnce = 50;

/**
 * Phases that all registered members go through together, as those of `java.util.concurrent.Phaser`, between processes.
 *
 * - Guaranteed: a phase ends only when every member that is registered at that revision has arrived in it; phases follow one another
 *   without a gap; a member that registers is waited for from the phase that its registration answers on; an arrival counts once.
 * - A member that leaves, dies or loses its session keeps nobody waiting any more: the registration and the arrival go together.
 *   By a death it takes until its lease has ended.
 * - Order: none among the members. There is no parent, no termination and no action: where one process is to do something between
 *   phases, register it as a member that arrives last of its own accord, or take a `CyclicBarrier`.
 * - Not guaranteed: that a phase ends while nobody is registered. It ends when the last member leaves by `arriveAndDeregister`,
 *   not when that dies.
 * - Cost: one request to register, to arrive, or to leave, and one event for who waits; the last of a phase sends one more. The first
 *   wait of an object opens a watch and may read once; so does who waits alone without being a member. Who waits reads about twice a TTL.
 */
export class Phaser {
  readonly name: string;
  readonly #client: Client;
  readonly #board: PhaserBoard;

  /** Making one sends nothing. Share one object among the callers of a process. */
  constructor(client: Client, name: string) {
    checkClient(client);
    checkName(name, 'phaser name');
    this.name = name;
    this.#client = client;
    this.#board = new PhaserBoard(client, phaserKeysOf(client, name));
  }

  /**
   * Registers a member, which has not arrived: the phase waits for it. Given up, it is taken back.
   *
   * Errors: `aborted` and `timeout` as asked for; `codec`, `closed`, `permission-denied`, `unauthenticated`. Cost: one request.
   */
  async register(options: WaitOptions = {}): Promise<PhaserMember> {
    const [member] = await this.bulkRegister(1, options);
    return member as PhaserMember;
  }

  /** Registers so many members, 1 to 50, in one revision, by one request. As {@link register}. */
  async bulkRegister(count: number, options: WaitOptions = {}): Promise<readonly PhaserMember[]> {
    const doing = `registering at the phaser ${JSON.stringify(this.name)}`;
    if (!Number.isInteger(count) || count < 1 || count > mostAtOnce) {
      throw invalidArgument(`count is ${shown(count)}`, `a whole number from 1 to ${mostAtOnce}`);
    }
    checkWaitOptions(options, doing);
    const attempt = (givenUp: AbortSignal) => register(this.#board, count, givenUp);
    const undo = (members: readonly Membership[]) => {
      const { signal } = new AbortController();
      for (const member of members) deregister(this.#board, member, signal, true).catch(() => {});
    };
    const members = await orGiveUp(this.#client.runtime, attempt, undo, options, doing);
    return members.map((member) => new PhaserMember(this.name, this.#board, member));
  }

  /**
   * Lets several members of this object arrive, 1 to 50, by one request, as `member.arrive()` does for one. Answers the phase, the
   * earliest if they were not in the same one.
   */
  async bulkArrive(members: readonly PhaserMember[], options: WaitOptions = {}): Promise<number> {
    const doing = `arriving at the phaser ${JSON.stringify(this.name)}`;
    const own = this.#membershipsOf(members);
    checkWaitOptions(options, doing);
    const attempt = (givenUp: AbortSignal) => Membership.inTurn(own, () => arrive(this.#board, own, givenUp));
    const phase = await orGiveUp(this.#client.runtime, attempt, () => {}, options, doing);
    for (const member of own) member.untold = undefined;
    return phase;
  }

  /**
   * Waits until this phase is over, without being a member. Answers the phase that goes on then; at once if that is so already.
   * Errors as of {@link register}. Cost: one event, and a read unless others of this object wait.
   */
  async awaitAdvance(phase: number, options: WaitOptions = {}): Promise<number> {
    const doing = `waiting for the end of phase ${shown(phase)} of the phaser ${JSON.stringify(this.name)}`;
    if (!Number.isSafeInteger(phase) || phase < 0) {
      throw invalidArgument(`phase is ${shown(phase)}`, 'a whole number from 0');
    }
    checkWaitOptions(options, doing);
    const attempt = (givenUp: AbortSignal) => this.#board.overAsOfNow(phase, givenUp, doing);
    return await orGiveUp(this.#client.runtime, attempt, () => {}, options, doing);
  }

  /** How the phaser is, by one read. */
  async inspect(options: WaitOptions = {}): Promise<PhaserView> {
    const doing = `looking at the phaser ${JSON.stringify(this.name)}`;
    checkWaitOptions(options, doing);
    const { keys } = this.#board;
    const success = [...looksAt(keys, 0), { type: 'range' as const, ...keys.members }];
    const { replies, revision } = await this.#client.store.txn(
      { compare: [], success, failure: [] },
      options,
    );
    const { now, arrived, registered } = seenPhaseIn(replies.slice(0, looksAtCount), revision);
    const last = replies.at(-1);
    const labels = new Map(last?.type === 'range' ? last.kvs.map((kv) => [kv.key, labelIn(kv)]) : []);
    const here = new Set(arrived.map(({ key }) => key));
    return {
      ...{ revision, phase: now.phase, registered },
      arrived: arrived.map(({ key }) => labels.get(key) ?? ''),
      awaited: [...labels].filter(([key]) => !here.has(key)).map(([, label]) => label),
    };
  }

  /**
   * Deletes what is stored of a phaser that nobody uses any more: one small key. It begins with phase 0 again then, so not while
   * somebody waits. False if somebody is registered. One request.
   */
  async remove(options: WaitOptions = {}): Promise<boolean> {
    const doing = `removing the phaser ${JSON.stringify(this.name)}`;
    checkWaitOptions(options, doing);
    const { keys } = this.#board;
    const request = {
      compare: [compare.create(keys.members, 'equal', 0)],
      success: [{ type: 'delete' as const, ...keys.all }],
      failure: [],
    };
    const { succeeded, revision } = await this.#client.store.txn(request, options);
    // Or what was known of it would end waits at the next of the name.
    if (succeeded) this.#board.learn(undefined, revision);
    return succeeded;
  }

  #membershipsOf(members: readonly PhaserMember[]): readonly Membership[] {
    const accepted = `1 to ${mostAtOnce} members that this phaser object has registered`;
    if (!Array.isArray(members) || members.length === 0 || members.length > mostAtOnce) {
      throw invalidArgument(`members are ${shown(members)}`, accepted);
    }
    const own = members.map((member: unknown) => {
      const found = internalsOfMember(member);
      if (found?.board === this.#board) return found.membership;
      throw invalidArgument('one of the members is not of this phaser object', accepted);
    });
    return [...new Set(own)];
  }
}
