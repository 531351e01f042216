/**
 * Freezes plain objects and arrays, all the way down: readers share what they are given, and none may change it for the others. What a
 * codec or a schema makes may be nested as deeply as it likes, so it does not call itself; and frozen already on its outside alone.
 */
export function frozen<T>(value: T): T {
  const due: unknown[] = [value];
  const visited = new Set<unknown>();
  while (due.length > 0) {
    const part = due.pop();
    if (!isPlain(part) || visited.has(part)) continue;
    visited.add(Object.freeze(part));
    for (const inner of Object.values(part)) due.push(inner);
  }
  return value;
}

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return Array.isArray(value) || prototype === Object.prototype || prototype === null;
}
