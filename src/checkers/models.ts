/** Objects for `checkLinearizable`, as they are when calls come one after the other. */
import type { SequentialModel } from './linearizability.js';

export type RegisterCall =
  | { readonly do: 'read' }
  | { readonly do: 'write'; readonly value: string }
  /** Writes `value` if the register holds `expected`. */
  | { readonly do: 'compare-and-set'; readonly expected: string | null; readonly value: string };

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

export type CounterCall = { readonly do: 'get' } | { readonly do: 'add'; readonly by: number };

export interface CounterReply {
  /** The count, after the addition if it was one. Absent if an addition was answered without it. */
  readonly count?: number;
}

/** A number that is added to, 0 at first. */
export const counterModel: SequentialModel<number, CounterCall, CounterReply> = {
  initial: 0,
  step(state, call, reply) {
    const next = call.do === 'add' ? state + call.by : state;
    if (reply === undefined || (call.do === 'add' && reply.count === undefined)) return next;
    return reply.count === next ? next : undefined;
  },
  keyOf: String,
};

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
