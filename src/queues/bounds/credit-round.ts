/**
 * Who of the producers of a bounded queue gets how much, by one state of their accounts: the decision that a write of credit-plan.ts
 * carries out. Pure, and for one use. It gives no more than is free in that state, which is the bound less the items and all unspent
 * credit, or becomes so by the same write.
 *
 * - **In line**: a producer whose front does not fit, in the order of the revisions that made it so. The first gets all that it lacks, or
 *   nothing: out of what is free; else of what others hold unspent, which is taken back by a compare with what they have used; else,
 *   if the oldest may be dropped, of what those take up. So two producers never wait for each other's part.
 * - **Ahead**: what nobody waits for is lent in blocks, so that a queue with room costs no grant for each call.
 */
import type { QueueBound } from '../records/index.js';
import type { CreditLimits, CreditWrite, Droppable } from './credit-messages.js';
import { lackOf, type PlannedAccount, unspentOf } from './planned-account.js';

/** Of one account, lent ahead at most, and of all that is free. */
const mostAhead = 256;
const aheadPart = 4;

interface GrantChange {
  granted: number;
  answers: boolean;
  refuses: boolean;
  takesBack: boolean;
}

function untouched({ grant }: PlannedAccount): GrantChange {
  return { granted: grant.granted, answers: false, refuses: false, takesBack: false };
}

/** One look at who waits and what there is. */
export class CreditRound {
  readonly #bound: QueueBound | undefined;
  readonly #limits: CreditLimits;
  readonly #oldest: (most: number) => readonly Droppable[];
  readonly #accounts: readonly PlannedAccount[];
  readonly #granted = new Map<PlannedAccount, GrantChange>();
  readonly #free: { count: number };
  #drops: readonly Droppable[] = [];
  /** Others hold something that this write cannot take from them any more: whether there is room is not known. */
  #isCutShort: boolean;

  constructor(
    bound: QueueBound | undefined,
    live: number,
    accounts: readonly PlannedAccount[],
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
  #serve(account: PlannedAccount): boolean {
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
  #takeBack(wanted: number, except: PlannedAccount | undefined): void {
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

  #give(account: PlannedAccount, count: number): void {
    this.#entry(account).granted += count;
    this.#free.count -= count;
  }

  #entry(account: PlannedAccount): GrantChange {
    const known = this.#granted.get(account);
    if (known !== undefined) return known;
    const entry = untouched(account);
    this.#granted.set(account, entry);
    return entry;
  }

  #grantedTo(account: PlannedAccount): number {
    return this.#granted.get(account)?.granted ?? account.grant.granted;
  }
}

function grantOf(
  { name, grant, demand, demandMod }: PlannedAccount,
  { granted, answers, refuses, takesBack }: GrantChange,
): CreditWrite['grants'][number] {
  const answered = answers ? demand.ask : grant.answered;
  const refused = refuses ? demand.ask : grant.refused;
  return { name, granted, answered, refused, ...(takesBack ? { demandMod } : {}) };
}
