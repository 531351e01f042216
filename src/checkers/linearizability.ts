/**
 * Whether calls that overlapped could have taken effect one after the other: a search by Wing and Gong, as Lowe made it
 * practical ("Testing for linearizability", 2017): calls are lifted out of a list and put back, and no state is searched
 * twice from the same set of calls.
 *
 * Where a reply carries the store's revision, that is its place in the order, and the checkers of the primitives need no
 * search. This is for what has no such witness: calls of unknown outcome on a single small object. The time grows fast
 * with the number of calls that overlap, so it has a budget, and running out of it is an answer of its own.
 */
import { invalidArgument } from '../errors.js';
import { CallList, type Candidate } from './call-list.js';

/** What an object does when its calls come one after the other. */
export interface SequentialModel<State, Call, Reply> {
  /** The state to begin with. States are never changed, but followed by others. */
  readonly initial: State;
  /**
   * The state after a call that was answered with `reply`; undefined if the object does not answer so in this state. Where the
   * reply is undefined, nobody knows it, and the call has taken effect.
   */
  step(state: State, call: Call, reply: Reply | undefined): State | undefined;
  /** Equal for states that cannot be told apart, and only for these. */
  keyOf(state: State): string;
}

/**
 * A call and what is known of it. Leave out calls that certainly had no effect. One of unknown outcome has no
 * `returnedAt`: it took effect at any time after its beginning, or never.
 */
export interface Operation<Call, Reply> {
  readonly call: Call;
  readonly reply?: Reply;
  readonly calledAt: number;
  /** At the same moment as another's beginning, the two overlap. */
  readonly returnedAt?: number;
  /** For people. */
  readonly process?: string;
}

/** There is an order in which every call is answered as it was. */
export interface Linearized<Call, Reply> {
  readonly verdict: 'linearizable';
  readonly steps: number;
  /** One such order, without the calls of unknown outcome that it does not need. */
  readonly order: readonly Operation<Call, Reply>[];
}

/** There is no such order. */
export interface Refuted<Call, Reply> {
  readonly verdict: 'not-linearizable';
  readonly steps: number;
  /** The longest that was found. */
  readonly longest: readonly Operation<Call, Reply>[];
  /** The state at its end, by the model's key. */
  readonly state: string;
  /** The calls that could have come next, none of which is answered so in that state. */
  readonly stuck: readonly Operation<Call, Reply>[];
}

/** Nobody knows: it would take longer. Not to be taken for a success. */
export interface OutOfBudget {
  readonly verdict: 'out-of-budget';
  readonly steps: number;
}

/** What the search came to, and how many steps of the model it took. */
export type Linearizability<Call, Reply> = Linearized<Call, Reply> | Refuted<Call, Reply> | OutOfBudget;

/**
 * Searches an order in which every call is answered as the model answers it, and a call that returned before another began
 * comes before it. What it finds is an answer and not thrown: see {@link Linearizability}.
 *
 * `budget`: the most steps of the model, default 2,000,000, which take a few seconds. Cost: a few steps a call where some five
 * overlap, some hundreds where dozens of outcomes are unknown, exponential at worst. Errors: `invalid-argument` for a call
 * that returned before it began.
 */
export function checkLinearizable<State, Call, Reply>(
  model: SequentialModel<State, Call, Reply>,
  operations: readonly Operation<Call, Reply>[],
  options: { readonly budget?: number } = {},
): Linearizability<Call, Reply> {
  for (const { calledAt, returnedAt } of operations) {
    if (returnedAt === undefined || returnedAt >= calledAt) continue;
    throw invalidArgument(`a call at ${calledAt} returned at ${returnedAt}`, 'a return after the call');
  }
  return new Search(model, operations, options.budget ?? 2_000_000).run();
}

/** A call for the next place in the order, after calls of unknown outcome without which it does not fit. */
interface Move<State, Call, Reply> {
  readonly lifts: readonly Candidate<Call, Reply>[];
  /** The state after them. */
  readonly state: State;
}

/** A state that the search is in, or went through to where it is. */
interface Node<State, Call, Reply> {
  readonly state: State;
  /** What may come next, and was not tried yet. */
  readonly moves: Iterator<Move<State, Call, Reply>, void>;
  /** What the search went on with. */
  taken?: Move<State, Call, Reply>;
}

class Search<State, Call, Reply> {
  readonly #model: SequentialModel<State, Call, Reply>;
  readonly #budget: number;
  readonly #calls: CallList<Call, Reply>;
  /** For calls of known outcome in the order, and the state after them: with which others that was searched from. */
  readonly #searched = new Map<string, (readonly number[])[]>();
  readonly #path: Node<State, Call, Reply>[] = [];
  #steps = 0;
  /** The longest path that came to no end, of which so much is still that of now. */
  readonly #longest: Move<State, Call, Reply>[] = [];
  #stillOfNow = 0;
  #stuck: { readonly state: State; readonly calls: readonly Operation<Call, Reply>[] } | undefined;

  constructor(
    model: SequentialModel<State, Call, Reply>,
    operations: readonly Operation<Call, Reply>[],
    budget: number,
  ) {
    this.#model = model;
    this.#budget = budget;
    this.#calls = new CallList(operations);
  }

  run(): Linearizability<Call, Reply> {
    this.#enter(this.#model.initial);
    while (!this.#calls.isDone) {
      const node = this.#path.at(-1);
      if (node === undefined) return this.#refuted();
      const { value: move } = node.moves.next();
      if (this.#steps >= this.#budget) return { verdict: 'out-of-budget', steps: this.#steps };
      if (move) this.#try(node, move);
      else this.#leave(node);
    }
    const order = operationsOf(this.#path.flatMap(({ taken }) => taken ?? []));
    return { verdict: 'linearizable', steps: this.#steps, order };
  }

  #enter(state: State): void {
    this.#path.push({ state, moves: this.#moves(state) });
  }

  #leave(node: Node<State, Call, Reply>): void {
    this.#noteStuck(node);
    this.#path.pop();
    this.#stillOfNow = Math.min(this.#stillOfNow, Math.max(0, this.#path.length - 1));
    this.#putBack(this.#path.at(-1)?.taken?.lifts ?? []);
  }

  /** Goes on with the move unless that was searched already. */
  #try(node: Node<State, Call, Reply>, move: Move<State, Call, Reply>): void {
    for (const candidate of move.lifts) this.#calls.lift(candidate);
    const key = `${this.#calls.liftedKey()} ${this.#model.keyOf(move.state)}`;
    if (!isNew(this.#searched, key, this.#calls.unknownUsed())) {
      this.#putBack(move.lifts);
      return;
    }
    node.taken = move;
    this.#enter(move.state);
  }

  /** First the calls of known outcome that fit; then those that fit after others, fewest first. */
  *#moves(state: State): Generator<Move<State, Call, Reply>, void> {
    const returning = this.#calls.returning();
    for (const candidate of returning) {
      const after = this.#step(state, candidate);
      if (after !== undefined) yield { lifts: [candidate], state: after };
    }
    for (const bridge of this.#bridges(state)) {
      for (const candidate of returning) {
        const after = this.#step(bridge.state, candidate);
        if (after !== undefined) yield { lifts: [...bridge.lifts, candidate], state: after };
      }
    }
  }

  /**
   * Calls of unknown outcome one after the other, and the states to which they lead, fewest first. None that leads where
   * others of them lead without the rest: what is not used may still be used later.
   */
  *#bridges(state: State): Generator<Move<State, Call, Reply>, void> {
    const reached = new Map<string, (readonly number[])[]>();
    isNew(reached, this.#model.keyOf(state), this.#calls.unknownUsed());
    const begun: Move<State, Call, Reply>[] = [{ lifts: [], state }];
    for (const bridge of begun) {
      for (const candidate of this.#unknownAfter(bridge)) {
        if (this.#steps >= this.#budget) return;
        const after = this.#step(bridge.state, candidate);
        if (after === undefined) continue;
        const longer = { lifts: [...bridge.lifts, candidate], state: after };
        for (const lifted of longer.lifts) this.#calls.lift(lifted);
        const used = this.#calls.unknownUsed();
        this.#putBack(longer.lifts);
        if (!isNew(reached, this.#model.keyOf(after), used)) continue;
        begun.push(longer);
        yield longer;
      }
    }
  }

  #unknownAfter({ lifts }: Move<State, Call, Reply>): readonly Candidate<Call, Reply>[] {
    for (const candidate of lifts) this.#calls.lift(candidate);
    const candidates = this.#calls.unknown();
    this.#putBack(lifts);
    return candidates;
  }

  #putBack(lifts: readonly Candidate<Call, Reply>[]): void {
    for (let at = lifts.length - 1; at >= 0; at -= 1)
      this.#calls.putBack(lifts[at] as Candidate<Call, Reply>);
  }

  #step(state: State, { operation: { call, reply } }: Candidate<Call, Reply>): State | undefined {
    this.#steps += 1;
    return this.#model.step(state, call, reply);
  }

  /** Keeps the longest path; what it shares with the longest so far is not copied again. */
  #noteStuck({ state }: Node<State, Call, Reply>): void {
    const length = this.#path.length - 1;
    if (this.#stuck !== undefined && length <= this.#longest.length) return;
    this.#longest.length = this.#stillOfNow;
    for (const { taken } of this.#path.slice(this.#stillOfNow, length)) if (taken) this.#longest.push(taken);
    this.#stillOfNow = length;
    this.#stuck = { state, calls: this.#calls.returning().map(({ operation }) => operation) };
  }

  #refuted(): Linearizability<Call, Reply> {
    const { state, calls: stuck } = this.#stuck ?? { state: this.#model.initial, calls: [] };
    const longest = operationsOf(this.#longest);
    return {
      verdict: 'not-linearizable',
      ...{ steps: this.#steps, longest, state: this.#model.keyOf(state), stuck },
    };
  }
}

/** Notes what was used to come to `key`; false if as much or less of everything was enough before. */
function isNew(known: Map<string, (readonly number[])[]>, key: string, used: readonly number[]): boolean {
  const before = known.get(key);
  if (before === undefined) known.set(key, [used]);
  else if (before.some((less) => less.every((count, index) => count <= (used[index] ?? 0)))) return false;
  else before.push(used);
  return true;
}

function operationsOf<State, Call, Reply>(
  moves: readonly Move<State, Call, Reply>[],
): readonly Operation<Call, Reply>[] {
  return moves.flatMap(({ lifts }) => lifts.map(({ operation }) => operation));
}
