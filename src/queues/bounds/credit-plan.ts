/**
 * Who may put how much into a bounded queue: the part of the dispatcher's plan that gives credit. Pure, as the plan is.
 *
 * Promise: at every revision, items and unspent credit together (`granted` less `used`, of all producers) are at most the bound. An
 * item enters by spending credit in its own revision, so the sum only grows by what is granted here; and what has gone since
 * this view only makes it smaller. So: never grant more than the bound less the sum of the view.
 *
 * - **The view** is one read of all accounts, with the number of items at the same revision, and the watch from there on: nothing
 *   else, not even replies to writes of its own. After a write nothing is planned before the watch has brought it.
 * - **Rounds**: who gets what of it, in what order, is decided in credit-round.ts, by one look at the view.
 * - **Gone**: the account of a producer that is no longer present is deleted, and with it what it had not spent, if it has not spent it since.
 *
 * Every write compares mod(h/ctl): a bound that was changed is obeyed from its revision on.
 */
import type { Demand, Grant, QueueBound } from '../records/index.js';
import type { CreditChange, CreditLimits, CreditWrite, Droppable, StoredAccount } from './credit-messages.js';
import { CreditRound } from './credit-round.js';
import { isAsking, type PlannedAccount } from './planned-account.js';

const noGrant: Grant = { granted: 0, answered: 0, refused: 0 };
const noDemand: Demand = { used: 0, next: 0, wanted: 0, ask: 0 };

/** With the control, the term, and as many accounts that are forgotten: below etcd's 128 compares and operations on a path. */
export const creditLimits: CreditLimits = { grantsPerWrite: 12, dropsPerWrite: 16 };

/** News that came while the view was being read. */
interface Early {
  readonly revision: number;
  readonly change: CreditChange;
}

export class CreditPlan {
  readonly #limits: CreditLimits;
  readonly #accounts = new Map<string, PlannedAccount>();
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
      const account: PlannedAccount = {
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
    const round = new CreditRound(this.#bound, this.#live, accounts, this.#limits, oldest);
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

  #account(name: string): PlannedAccount {
    const known = this.#accounts.get(name);
    if (known !== undefined) return known;
    const account = { name, here: false, grant: noGrant, demand: noDemand, demandMod: 0, since: undefined };
    this.#accounts.set(name, account);
    return account;
  }

  #stands(account: PlannedAccount, revision: number): void {
    if (!isAsking(account)) account.since = undefined;
    else account.since ??= revision;
  }
}
