import { invalidArgument, shown } from '../errors.js';

/** Refuses with `invalid-argument` what is no object. */
export function checkObject(value: unknown, name: string, accepted: string): asserts value is object {
  if (typeof value === 'object' && value !== null) return;
  throw invalidArgument(`${name} is ${shown(value)}`, accepted);
}

/** Refuses with `invalid-argument` what is no function. */
export function checkFunction(value: unknown, name: string, accepted = 'a function'): void {
  if (typeof value === 'function') return;
  throw invalidArgument(`${name} is ${shown(value)}`, accepted);
}

/** Refuses with `invalid-argument` what has not all of these functions. */
export function checkMethods(
  value: unknown,
  name: string,
  methods: readonly string[],
  accepted: string,
): void {
  const fields = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (methods.every((method) => typeof fields[method] === 'function')) return;
  throw invalidArgument(`${name} is ${shown(value)}`, accepted);
}
