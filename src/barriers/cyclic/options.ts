import { invalidArgument, shown } from '../../errors.js';
import type { Compare } from '../../store/index.js';
import { type DeadMembers, deadMemberPolicies } from '../dead-members.js';

/** What an action is given. */
export interface CyclicActionContext {
  /** The generation that ends with it. */
  readonly generation: number;
  /** Fires when the caller that it runs for gives up or loses its session, and when the generation is reset. */
  readonly signal: AbortSignal;
  /**
   * Holds as long as nobody else can have been chosen to run the action of this generation. As a compare of a transaction it
   * makes the store refuse what comes too late.
   */
  guard(): Compare;
}

export interface CyclicBarrierOptions {
  /** How many arrivals a generation takes: a whole number from 1 to 10,000. The same for all who use the barrier. */
  readonly parties: number;
  /** Run between generations by one of those who arrived, before any of them goes on. Default: none. */
  readonly action?: ((context: CyclicActionContext) => Promise<void> | void) | undefined;
  /** What becomes of the others when a member has died. Default `'break'`. The same for all who use the barrier. */
  readonly deadMembers?: DeadMembers | undefined;
}

export interface CyclicSettings {
  readonly parties: number;
  readonly action: CyclicBarrierOptions['action'];
  readonly deadMembers: DeadMembers;
}

const mostParties = 10_000;

export function checkCyclicOptions(options: CyclicBarrierOptions): CyclicSettings {
  if (typeof options !== 'object' || options === null) {
    throw invalidArgument(`options are ${shown(options)}`, 'an object with parties');
  }
  const { parties, action, deadMembers = 'break' } = options;
  if (!Number.isInteger(parties) || parties < 1 || parties > mostParties) {
    throw invalidArgument(`parties is ${shown(parties)}`, `a whole number from 1 to ${mostParties}`);
  }
  if (action !== undefined && typeof action !== 'function') {
    throw invalidArgument(`action is of type ${typeof action}`, 'a function, or none');
  }
  if (!deadMemberPolicies.includes(deadMembers)) {
    throw invalidArgument(`deadMembers is ${shown(deadMembers)}`, deadMemberPolicies.join(', '));
  }
  return { parties, action, deadMembers };
}

/** How a wait ended well. */
export interface CyclicPassage {
  /** The generation that passed. */
  readonly generation: number;
  /** Whether its action was run for this caller. */
  readonly ranAction: boolean;
}

/** A barrier as it was at one revision. */
export interface CyclicBarrierView {
  readonly revision: number;
  readonly generation: number;
  readonly parties: number;
  /** How many arrivals this generation takes: fewer than `parties` where it goes on without the dead. */
  readonly required: number;
  /** The labels of those who have arrived in it, the first first. */
  readonly arrived: readonly string[];
  /** Members, arrived or not. */
  readonly members: number;
  /** The label of who runs the action. */
  readonly elect: string | undefined;
  /** Why it is broken, if it is. */
  readonly broken: { readonly reason: string; readonly by: string } | undefined;
}
