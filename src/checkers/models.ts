/** Objects for `checkLinearizable`, as they are when calls come one after the other. */
import type { SequentialModel } from './linearizability.js';

export type RegisterCall =
  | { readonly do: 'read' }
  /** null: takes the value away. */
  | { readonly do: 'write'; readonly value: string | null }
  /** Writes `value` if the register holds `expected`. */
  | {
      readonly do: 'compare-and-set';
      readonly expected: string | null;
      readonly value: string | null;
    };

export interface RegisterReply {
  /** What a read found; null for nothing. */
  readonly found?: string | null;
  /** Whether a compare-and-set wrote. */
  readonly wrote?: boolean;
}

/** One value, null at first: a key that is read, written, and written under a compare. */
export const registerModel: SequentialModel<string | null, RegisterCall, RegisterReply> = {
  initial: null,
  step(state, call, reply) {
    switch (call.do) {
      case 'read':
        return reply === undefined || reply.found === state ? state : undefined;
      case 'write':
        return call.value;
      case 'compare-and-set': {
        const wrote = state === call.expected;
        if (reply !== undefined && reply.wrote !== wrote) return undefined;
        return wrote ? call.value : state;
      }
    }
  },
  keyOf: (state) => JSON.stringify(state),
};

export type CounterCall =
  | { readonly do: 'get' }
  | { readonly do: 'add'; readonly by: number }
  /** Answered with what it was before. */
  | { readonly do: 'reset'; readonly to: number }
  /** Sets it if it is `expected`; answered with whether it did, and what it is then. */
  | { readonly do: 'compare-and-set'; readonly expected: number; readonly to: number };

export interface CounterReply {
  /** The count, after the call; of a reset, before it. Absent if a call was answered without it. */
  readonly count?: number;
  /** Whether a compare-and-set wrote. */
  readonly wrote?: boolean;
  /** The call was refused, since it would have passed a bound. */
  readonly isOver?: boolean;
}

/** A number that is added to, `initial` at first, and that no call takes out of its bounds. */
export function boundedCounterModel({
  initial,
  min,
  max,
}: {
  readonly initial: number;
  readonly min: number;
  readonly max: number;
}): SequentialModel<number, CounterCall, CounterReply> {
  return {
    initial,
    step(state, call, reply) {
      const next = counted(state, call);
      const isOver = next < min || next > max;
      if (reply === undefined) return isOver ? state : next;
      if (isOver || reply.isOver === true) return isOver && reply.isOver === true ? state : undefined;
      if (call.do === 'compare-and-set' && reply.wrote !== (state === call.expected)) return undefined;
      const told = call.do === 'reset' ? state : next;
      return reply.count === undefined || reply.count === told ? next : undefined;
    },
    keyOf: String,
  };
}

function counted(state: number, call: CounterCall): number {
  switch (call.do) {
    case 'get':
      return state;
    case 'add':
      return state + call.by;
    case 'reset':
      return call.to;
    case 'compare-and-set':
      return state === call.expected ? call.to : state;
  }
}

/** A number that is added to, 0 at first. */
export const counterModel = boundedCounterModel({
  initial: 0,
  min: Number.NEGATIVE_INFINITY,
  max: Number.POSITIVE_INFINITY,
});

export type FencedLockCall =
  /** Answered with the token. */
  | { readonly do: 'acquire' }
  /** By who holds it. Leave out that of a hold which was lost: it does nothing. */
  | { readonly do: 'release'; readonly token: number }
  /** The end of a lease, which frees the lock whoever holds it. Give one of unknown outcome for each lease that may have ended. */
  | { readonly do: 'expire' }
  /** A write under the lock, answered with whether the store applied it. */
  | { readonly do: 'write'; readonly token: number };

export interface FencedLockReply {
  /** Of an acquisition. */
  readonly token?: number;
  /** Of a write: false if it was refused, since its hold had ended. */
  readonly applied?: boolean;
}

export interface FencedLockState {
  /** Who holds it; `unknown` after an acquisition of which nobody knows the token; null if it is free. */
  readonly holder: number | 'unknown' | null;
  /** The newest token that was given out. */
  readonly newest: number;
}

/** A lock whose tokens increase, and a store that applies the writes of its present holder only. */
export const fencedLockModel: SequentialModel<FencedLockState, FencedLockCall, FencedLockReply> = {
  initial: { holder: null, newest: 0 },
  step(state, call, reply) {
    switch (call.do) {
      case 'acquire': {
        if (state.holder !== null) return undefined;
        if (reply === undefined) return { holder: 'unknown', newest: state.newest };
        const { token = 0 } = reply;
        return token > state.newest ? { holder: token, newest: token } : undefined;
      }
      case 'release':
        return state.holder === call.token ? { holder: null, newest: state.newest } : undefined;
      case 'expire':
        return { holder: null, newest: state.newest };
      case 'write': {
        const applied = state.holder === call.token;
        return reply === undefined || reply.applied === applied ? state : undefined;
      }
    }
  },
  keyOf: ({ holder, newest }) => `${holder} ${newest}`,
};
