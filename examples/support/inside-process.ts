/** What a process of an example needs: its settings, a client, and the line to the runner. */
import { Client } from 'quorate';
import { openEtcd3Store } from 'quorate/etcd3';

export interface Settings {
  readonly label: string;
  readonly endpoints: string;
  readonly namespace: string;
}

export const settings: Settings = {
  label: process.env.QUORATE_LABEL ?? 'process',
  endpoints: process.env.QUORATE_ENDPOINTS ?? '127.0.0.1:2379',
  namespace: process.env.QUORATE_NAMESPACE ?? 'examples',
};

/** Session TTL of the examples: short, so that a crash is noticed while one watches. Real services take 10 s or more. */
export const sessionTtlMs = 3_000;

export async function connect(): Promise<Client> {
  const store = await openEtcd3Store({ hosts: settings.endpoints.split(',') });
  return Client.open({
    store,
    closeStore: true,
    namespace: settings.namespace,
    label: settings.label,
    ttlMs: sessionTtlMs,
  });
}

/** Tells the runner something. */
export function report(message: { readonly type: string } & Record<string, unknown>): void {
  process.send?.(message);
}

/** Calls `listener` with each command of this type from the runner. */
export function onCommand(type: string, listener: (command: Record<string, unknown>) => void): void {
  process.on('message', (message: Record<string, unknown>) => {
    if (message.type === type) listener(message);
  });
}

/** Resolves with the first command of this type. */
export function command(type: string): Promise<Record<string, unknown>> {
  return new Promise((resolve) => onCommand(type, resolve));
}

/**
 * What this returns is to be awaited by each piece of work: from the command `hold` to the command `go-on` it says `held` and
 * stands still. Whoever is killed or stopped after that certainly has something in hand.
 */
export function holdable(): () => Promise<void> {
  let held: Promise<unknown> | undefined;
  onCommand('hold', () => {
    held = command('go-on');
  });
  return async () => {
    if (held === undefined) return;
    report({ type: 'held' });
    await held;
  };
}

/** Runs a process of an example. It ends with its work, and at once if the runner is gone. */
export async function main(work: () => Promise<void>): Promise<void> {
  process.once('disconnect', () => process.exit(1));
  try {
    await work();
  } catch (error) {
    console.error(`${settings.label}:`, error);
    process.exitCode = 1;
  }
  process.removeAllListeners('disconnect');
  if (process.connected) process.disconnect();
}
