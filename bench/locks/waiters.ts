import { longestRunMs, Program } from '../program.js';

/** Contenders that will wait, all asking for the lock of this name by now. */
export async function startWaiting(
  command: readonly string[],
  endpoint: string,
  name: string,
  processes: number,
  clients: number,
): Promise<Program[]> {
  const args = [endpoint, name, String(clients), '1', '0', String(longestRunMs)];
  const waiters = Array.from({ length: processes }, () => new Program(command, args));
  await Promise.all(waiters.map((waiter) => waiter.ready));
  for (const waiter of waiters) waiter.begin();
  return waiters;
}
