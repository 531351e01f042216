import { invalidArgument, shown } from '../errors.js';

const parts: readonly (readonly [string, readonly string[]])[] = [
  ['keys', ['prefix']],
  ['runtime', ['setTimer', 'monotonicMs']],
  ['store', ['range', 'watch']],
];

/** Refuses with `invalid-argument` what is no client: a store, say, or the promise of a client that nobody has awaited. */
export function checkClient(client: unknown, name = 'the client'): void {
  const accepted = 'a Client, which Client.open resolves to';
  if (typeof client !== 'object' || client === null || 'then' in client) {
    throw invalidArgument(`${name} is ${shown(client)}`, accepted);
  }
  for (const [part, methods] of parts) {
    const given = (client as Readonly<Record<string, unknown>>)[part];
    const fields = (given ?? {}) as Readonly<Record<string, unknown>>;
    if (methods.every((method) => typeof fields[method] === 'function')) continue;
    throw invalidArgument(`of ${name}, ${part} is ${shown(given)}`, accepted);
  }
}
