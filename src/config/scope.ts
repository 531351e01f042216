import { invalidArgument } from '../errors.js';
import { checkName, type Key, nameOfSegment, segmentOf } from '../store/index.js';

/**
 * Where a layer of a document belongs: the names of an environment, of a cluster in it, and so on, joined by slashes:
 * `production/eu-1`. The empty one is the base, which all readers have.
 */
export type Scope = string;

export const baseScope: Scope = '';
const mostNames = 8;

/** Refuses with `invalid-argument` what is no scope. */
export function checkScope(scope: unknown): asserts scope is Scope {
  if (scope === baseScope) return;
  const accepted = `up to ${mostNames} names joined by slashes, like production/eu-1, or the empty string`;
  if (typeof scope !== 'string') throw invalidArgument(`scope is of type ${typeof scope}`, accepted);
  const names = scope.split('/');
  if (names.length > mostNames) throw invalidArgument(`scope ${scope} has ${names.length} names`, accepted);
  for (const name of names) checkName(name, 'a name in a scope');
}

/** The scopes whose layers a reader merges, in the order in which it does: the base first, its own last. */
export function scopesOf(scope: Scope): readonly Scope[] {
  if (scope === baseScope) return [baseScope];
  const names = scope.split('/');
  return [baseScope, ...names.map((_name, index) => names.slice(0, index + 1).join('/'))];
}

export function keyOfScope(scope: Scope): Key {
  return scope.split('/').map(segmentOf).join('/');
}

/** Undefined for what {@link keyOfScope} did not make. */
export function scopeOfKey(part: Key): Scope | undefined {
  const names = part.split('/').map(nameOfSegment);
  return names.includes(undefined) ? undefined : names.join('/');
}
