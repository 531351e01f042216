/**
 * The dispatcher of a bounded queue may be a producer too: somebody has to answer who waits for room while no worker is there. It
 * stands as workers do, see candidacy.ts.
 */
import type { ErrorCode, QuorateError } from '../../errors.js';
import type { Client, Session } from '../../session/index.js';
import { Candidacy } from '../dispatch/candidacy.js';
import type { QueueKeys } from '../keys.js';

/** Waiting items that it holds in memory: see `Dispatcher`. */
const mirror = 20_000;

/** What befalls whoever dispatches and passes: it stands again, and who waits for room learns of it by its own requests. */
const passing: readonly ErrorCode[] = [
  ...(['unavailable', 'unreachable', 'timeout', 'compacted', 'no-space'] as const),
  ...(['session-lost', 'fenced', 'closed', 'aborted'] as const),
];

export interface ProducerCandidacyOptions {
  readonly client: Client;
  readonly keys: QueueKeys;
  readonly session: Session;
  /** Its name in the line. */
  readonly worker: string;
}

/** Stands until the signal fires; resolves when it has resigned. */
export function standForDispatcher(options: ProducerCandidacyOptions, until: AbortSignal): Promise<void> {
  const warnedOf = new Set<ErrorCode>();
  // It dispatches for everybody, and has no events: what does not pass by itself is not to go unheard.
  const troubled = ({ code, message }: QuorateError) => {
    if (passing.includes(code) || warnedOf.has(code)) return;
    warnedOf.add(code);
    process.emitWarning(
      `a producer of the bounded queue ${options.keys.prefix} could not dispatch, and tries again: ${code}, ${message}`,
      { type: 'QuorateDispatchWarning', code: 'QUORATE_DISPATCH' },
    );
  };
  return new Candidacy({ ...options, mirror, onChange: () => {}, onError: troubled }).run(until);
}
