import type { Demand, Grant } from '../records/index.js';

/** A producer of a bounded queue as the plan of credit sees it: what it was given, what it has used, and what it asks for. */
export interface PlannedAccount {
  readonly name: string;
  here: boolean;
  grant: Grant;
  demand: Demand;
  /** The revision that wrote the demand; 0 if there is none. */
  demandMod: number;
  /** Since when its front does not fit; undefined: it does, or nothing waits. */
  since: number | undefined;
}

/** What its front needs beyond its credit; nothing, or less than that, if it fits. */
export function lackOf({ grant, demand }: PlannedAccount): number {
  return demand.used + demand.next - grant.granted;
}

/** Its front does not fit, and this demand was not answered yet. */
export function isAsking(account: PlannedAccount): boolean {
  const { here, grant, demand } = account;
  return here && demand.next > 0 && lackOf(account) > 0 && grant.answered < demand.ask;
}

/** Credit that it may spend at any moment. */
export function unspentOf({ grant, demand }: PlannedAccount): number {
  return Math.max(0, grant.granted - demand.used);
}
