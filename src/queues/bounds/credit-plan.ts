/**
 * Who may put how much into a bounded queue: the part of the dispatcher's plan that gives credit. Pure, as the plan is.
 *
 * Promise: at every revision, items and unspent credit together (`granted` less `used`, of all producers) are at most the bound. An
 * item enters by spending credit in its own revision, so the sum only grows by what is granted here; and what has gone since
 * this view only makes it smaller. So: never grant more than the bound less the sum of the view.
 *
 * - **The view** is one read of all accounts, with the number of items at the same revision, and the watch from there on: nothing
 *   else, not even replies to writes of its own. After a write nothing is planned before the watch has brought it.
 * - **In line**: a producer whose front does not fit, in the order of the revisions that made it so. The first gets all that it lacks, or
 *   nothing: out of what is free; else of what others hold unspent, which is taken back by a compare with what they have used; else,
 *   if the oldest may be dropped, of what those take up. So two producers never wait for each other's part.
 * - **Ahead**: what nobody waits for is lent in blocks, so that a queue with room costs no grant for each call.
 * - **Gone**: the account of a producer that is no longer present is deleted, and with it what it had not spent, if it has not spent it since.
 *
 * Every write compares mod(h/ctl): a bound that was changed is obeyed from its revision on.
 */
import type { ItemId } from '../keys.js';
import type { Demand, Grant, QueueBound } from '../records/index.js';
import type { CreditChange, CreditWrite, StoredAccount } from './credit-messages.js';

/** Of one account, lent ahead at most, and of all that is free. */
const mostAhead = 256;
const aheadPart = 4;
const noGrant: Grant = { granted: 0, answered: 0, refused: 0 };
const noDemand: Demand = { used: 0, next: 0, wanted: 0, ask: 0 };

export interface CreditLimits {
  readonly grantsPerWrite: number;
  readonly dropsPerWrite: number;
}

/** With the control, the term, and as many accounts that are forgotten: below etcd's 128 compares and operations on a path. */
export const creditLimits: CreditLimits = { grantsPerWrite: 12, dropsPerWrite: 16 };

/** A job that may be dropped. */
export interface Droppable {
  readonly id: ItemId;
  readonly create: number;
  readonly generation: number;
}

interface Account {
  readonly name: string;
  here: boolean;
  grant: Grant;
  demand: Demand;
  /** The revision that wrote the demand; 0 if there is none. */
  demandMod: number;
  /** Since when its front does not fit; undefined: it does, or nothing waits. */
  since: number | undefined;
}

/** News that came while the view was being read. */
interface Early {
  readonly revision: number;
  readonly change: CreditChange;
}

export class CreditPlan {
  readonly #limits: CreditLimits;
  readonly #accounts = new Map<string, Account>();
  #bound: QueueBound | undefined;
  #isNeeded = false;
  #live = 0;
  /** The revision of the read that this view began with; undefined: there is none (any more). */
  #asOf: number | undefined;
  #early: Early[] | undefined;
  /** Up to where the watch must have come before anything is planned. */
  #notBefore = 0;

  constructor(limits: CreditLimits) {
    this.#limits = limits;
  }

  /** What operators have decided last. Where they took the bound away, whoever waits still is to be let in. */
  setBound(bound: QueueBound | undefined): void {
    this.#bound = bound;
    if (bound !== undefined) this.#isNeeded = true;
  }

  /** There are accounts. */
  setNeeded(): void {
    this.#isNeeded = true;
  }

  /** Somebody waits to put something in. */
  get isWaiting(): boolean {
    for (const { since } of this.#accounts.values()) if (since !== undefined) return true;
    return false;
  }

  /** True if the accounts are to be read now. */
  startReading(): boolean {
    if (!this.#isNeeded || this.#asOf !== undefined || this.#early !== undefined) return false;
    this.#early = [];
    return true;
  }

  /** All accounts and the number of items, at one revision. */
  received(state: { revision: number; live: number; accounts: readonly StoredAccount[] }): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    this.#asOf = state.revision;
    this.#live = state.live;
    this.#accounts.clear();
    for (const { name, here, grant, demand, demandMod } of state.accounts) {
      const account: Account = {
        ...{ name, here, grant: grant ?? noGrant, demand: demand ?? noDemand, demandMod },
        since: undefined,
      };
      this.#accounts.set(name, account);
      this.#stands(account, demandMod);
    }
    for (const { revision, change } of early) this.change(change, revision);
  }

  change(change: CreditChange, revision: number): void {
    if ('name' in change) this.#isNeeded = true;
    if (this.#early !== undefined) this.#early.push({ revision, change });
    else if (this.#asOf !== undefined && revision > this.#asOf) this.#apply(change, revision);
  }

  /** `seen`: the watch has brought everything up to here. `oldest`: jobs that nobody works on, the oldest first. */
  next(
    seen: number,
    control: number,
    oldest: (most: number) => readonly Droppable[],
  ): CreditWrite | undefined {
    if (this.#asOf === undefined || seen < this.#notBefore) return undefined;
    const gone = [...this.#accounts.values()].filter(({ here }) => !here);
    const forgotten = gone.slice(0, this.#limits.grantsPerWrite);
    // What they had not spent is free in the same revision.
    const accounts = [...this.#accounts.values()].filter((account) => !forgotten.includes(account));
    const round = new Round(this.#bound, this.#live, accounts, this.#limits, oldest);
    const { grants, drops } = round.run();
    if (forgotten.length === 0 && grants.length === 0 && drops.length === 0) return undefined;
    const asSeen = forgotten.map(({ name, demandMod }) => ({ name, demandMod }));
    return { control, grants, drops, seen, forgotten: asSeen };
  }

  /**
   * Refused, it lacks something that the watch is about to bring: of the control or an item it may be older than the reading of
   * the accounts. Unless the answer has said it: `gone` of what it wanted to drop are not there, and no news need come of
   * them. Accepted, it has changed something that is watched.
   */
  answered(write: CreditWrite, accepted: boolean, revision: number, gone = 0): void {
    if (!accepted && gone > 0) return;
    this.#notBefore = accepted ? revision : write.seen + 1;
  }

  #apply(change: CreditChange, revision: number): void {
    switch (change.type) {
      case 'item-created':
        this.#live += 1;
        return;
      case 'item-gone':
        this.#live -= 1;
        return;
      default:
    }
    const account = this.#account(change.name);
    if (change.type === 'presence') account.here = change.here;
    else if (change.type === 'grant') account.grant = change.grant ?? noGrant;
    else {
      account.demand = change.demand ?? noDemand;
      account.demandMod = change.demand === undefined ? 0 : revision;
    }
    this.#stands(account, revision);
    const isNothing = !account.here && account.grant === noGrant && account.demand === noDemand;
    if (isNothing) this.#accounts.delete(account.name);
  }

  #account(name: string): Account {
    const known = this.#accounts.get(name);
    if (known !== undefined) return known;
    const account = { name, here: false, grant: noGrant, demand: noDemand, demandMod: 0, since: undefined };
    this.#accounts.set(name, account);
    return account;
  }

  #stands(account: Account, revision: number): void {
    if (!isAsking(account)) account.since = undefined;
    else account.since ??= revision;
  }
}

function lackOf({ grant, demand }: Account): number {
  return demand.used + demand.next - grant.granted;
}

function isAsking(account: Account): boolean {
  const { here, grant, demand } = account;
  return here && demand.next > 0 && lackOf(account) > 0 && grant.answered < demand.ask;
}

function unspentOf({ grant, demand }: Account): number {
  return Math.max(0, grant.granted - demand.used);
}

interface GrantChange {
  granted: number;
  answers: boolean;
  refuses: boolean;
  takesBack: boolean;
}

function untouched({ grant }: Account): GrantChange {
  return { granted: grant.granted, answers: false, refuses: false, takesBack: false };
}

/** One look at who waits and what there is. */
class Round {
  readonly #bound: QueueBound | undefined;
  readonly #limits: CreditLimits;
  readonly #oldest: (most: number) => readonly Droppable[];
  readonly #accounts: readonly Account[];
  readonly #granted = new Map<Account, GrantChange>();
  readonly #free: { count: number };
  #drops: readonly Droppable[] = [];
  /** Others hold something that this write cannot take from them any more: whether there is room is not known. */
  #isCutShort: boolean;

  constructor(
    bound: QueueBound | undefined,
    live: number,
    accounts: readonly Account[],
    limits: CreditLimits,
    oldest: (most: number) => readonly Droppable[],
  ) {
    this.#bound = bound;
    this.#limits = limits;
    this.#oldest = oldest;
    this.#accounts = accounts;
    const unspent = this.#accounts.reduce((sum, account) => sum + unspentOf(account), 0);
    this.#isCutShort = accounts.some((account) => !account.here && unspentOf(account) > 0);
    // Without a bound nobody needs any, and what is left from before is not to be spent under the next.
    this.#free = { count: bound === undefined ? -unspent : bound.maxLength - live - unspent };
  }

  run(): Pick<CreditWrite, 'grants' | 'drops'> {
    const line = this.#accounts
      .filter(({ since }) => since !== undefined)
      .sort((a, b) => (a.since ?? 0) - (b.since ?? 0) || (a.name < b.name ? -1 : 1));
    if (this.#free.count < 0) this.#takeBack(-this.#free.count, undefined);
    let waits = false;
    for (const account of line) {
      if (this.#granted.size >= this.#limits.grantsPerWrite) break;
      if (this.#serve(account)) continue;
      waits = true;
      // Whoever is first waits; to pass it would let small ones keep a large one out for ever.
      if (this.#bound?.whenFull !== 'refuse' || this.#isCutShort) break;
    }
    if (!waits) this.#lend();
    return {
      drops: this.#drops,
      grants: [...this.#granted].map(([account, grant]) => grantOf(account, grant)),
    };
  }

  /** Gives it all that its front lacks. False if there is not enough (yet); it is told so if it is not to wait, or would for ever. */
  #serve(account: Account): boolean {
    if (this.#bound === undefined || account.demand.next > this.#bound.maxLength) {
      this.#entry(account).answers = true;
      return true;
    }
    const lack = lackOf(account) + (account.grant.granted - this.#grantedTo(account));
    if (lack > this.#free.count) this.#takeBack(lack - this.#free.count, account);
    if (lack > this.#free.count && this.#isCutShort) return false;
    if (lack > this.#free.count && this.#bound.whenFull === 'drop-oldest')
      this.#drop(lack - this.#free.count);
    const fits = lack <= this.#free.count;
    if (fits) this.#give(account, lack);
    if (fits) this.#entry(account).answers = true;
    else if (this.#bound.whenFull === 'refuse')
      Object.assign(this.#entry(account), { answers: true, refuses: true });
    return fits;
  }

  /** What others have not spent, those who wait for nothing first. Of who was refused just now too. */
  #takeBack(wanted: number, except: Account | undefined): void {
    const holders = this.#accounts
      .filter((account) => account.here && account !== except && unspentOf(account) > 0)
      .filter((account) => this.#grantedTo(account) === account.grant.granted)
      .sort((a, b) => (b.since ?? Number.POSITIVE_INFINITY) - (a.since ?? Number.POSITIVE_INFINITY) || 0);
    let missing = wanted;
    for (const holder of holders) {
      if (missing <= 0) return;
      if (!this.#granted.has(holder) && this.#granted.size >= this.#limits.grantsPerWrite) {
        this.#isCutShort = true;
        return;
      }
      const unspent = unspentOf(holder);
      Object.assign(this.#entry(holder), { granted: holder.demand.used, takesBack: true });
      this.#free.count += unspent;
      missing -= unspent;
    }
  }

  /** Nothing, if it would not be enough. In steps, if it is much: nobody else gets what becomes free between them. */
  #drop(wanted: number): void {
    const before = this.#drops.length;
    const all = this.#oldest(before + wanted);
    if (all.length < before + wanted) return;
    this.#drops = all.slice(0, Math.max(before, this.#limits.dropsPerWrite));
    this.#free.count += this.#drops.length - before;
  }

  /** What nobody waits for: to those who wait for more than their front, then to all, in blocks. */
  #lend(): void {
    const present = this.#accounts.filter(({ here }) => here);
    if (this.#free.count <= 0 || present.length === 0) return;
    const ahead = Math.min(mostAhead, Math.floor(this.#free.count / (aheadPart * present.length)));
    for (const account of present) {
      if (this.#granted.size >= this.#limits.grantsPerWrite) return;
      const unspent = this.#grantedTo(account) - account.demand.used;
      // It is told why, and asks for less or nothing.
      if (unspent < account.demand.next) continue;
      const rest = Math.min(this.#free.count, account.demand.wanted - unspent);
      const isLow = unspent * 2 < ahead;
      const more = Math.max(rest, isLow ? Math.min(this.#free.count, ahead - unspent) : 0);
      if (more > 0) this.#give(account, more);
    }
  }

  #give(account: Account, count: number): void {
    this.#entry(account).granted += count;
    this.#free.count -= count;
  }

  #entry(account: Account): GrantChange {
    const known = this.#granted.get(account);
    if (known !== undefined) return known;
    const entry = untouched(account);
    this.#granted.set(account, entry);
    return entry;
  }

  #grantedTo(account: Account): number {
    return this.#granted.get(account)?.granted ?? account.grant.granted;
  }
}

function grantOf(
  { name, grant, demand, demandMod }: Account,
  { granted, answers, refuses, takesBack }: GrantChange,
): CreditWrite['grants'][number] {
  const answered = answers ? demand.ask : grant.answered;
  const refused = refuses ? demand.ask : grant.refused;
  return { name, granted, answered, refused, ...(takesBack ? { demandMod } : {}) };
}
