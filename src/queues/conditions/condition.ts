/** Conditions of a queue, as plain data: they are stored with the queue, and whichever worker dispatches judges them. */

/** What a gate can be set to. */
export type GateValue = string | number | boolean | null;

/** What a gate's value must be. Data and no function, since another process judges it. A gate that was never set fulfils none. */
export type GatePredicate =
  | { readonly equals: GateValue }
  | { readonly differs: GateValue }
  | { readonly oneOf: readonly GateValue[] }
  /** A number not below, or not above. */
  | { readonly atLeast: number }
  | { readonly atMost: number };

export type QueueCondition =
  | { readonly type: 'size'; readonly count: number }
  | { readonly type: 'present' | 'done'; readonly tasks: readonly string[] }
  | { readonly type: 'gate'; readonly name: string; readonly is: GatePredicate }
  | { readonly type: 'all' | 'any'; readonly of: readonly QueueCondition[] };

/** So many items have gathered. */
export function size(count: number): QueueCondition {
  return { type: 'size', count };
}

/** Of each of these tasks an item has gathered. */
export function present(...tasks: string[]): QueueCondition {
  return { type: 'present', tasks };
}

/** Of each of these tasks an item was completed, at any time. Once true it stays so. */
export function done(...tasks: string[]): QueueCondition {
  return { type: 'done', tasks };
}

/** A controller has set the gate (`queue.setGate`) to such a value. */
export function gate(name: string, is: GatePredicate): QueueCondition {
  return { type: 'gate', name, is };
}

/** All of these hold. */
export function all(...of: QueueCondition[]): QueueCondition {
  return { type: 'all', of };
}

/** At least one of these holds. */
export function any(...of: QueueCondition[]): QueueCondition {
  return { type: 'any', of };
}

/** Set to this value. */
export function equals(value: GateValue): GatePredicate {
  return { equals: value };
}

/** Set, and to something else. */
export function differs(value: GateValue): GatePredicate {
  return { differs: value };
}

/** Set to one of these values. */
export function oneOf(...values: GateValue[]): GatePredicate {
  return { oneOf: values };
}

/** Set to a number that is not below this one. */
export function atLeast(value: number): GatePredicate {
  return { atLeast: value };
}

/** Set to a number that is not above this one. */
export function atMost(value: number): GatePredicate {
  return { atMost: value };
}
