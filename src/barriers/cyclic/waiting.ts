import { QuorateError } from '../../errors.js';
import type { Break, Fate } from './generation.js';
import type { Member } from './members.js';

/** How a wait that had arrived came to its end. */
export type Outcome =
  | Exclude<Fate, { status: 'pending' }>
  /** Somebody deleted its key: it has to arrive again. */
  | { readonly status: 'gone' }
  | { readonly status: 'failed'; readonly error: unknown };

/** One call that has arrived and is not told yet what came of it. */
export class Waiting {
  readonly member: Member;
  /** Fires when its caller waits no more. */
  readonly givenUp: AbortSignal;
  readonly ended: Promise<Outcome>;
  /** The action that is run for it, until that is over and told to the others. */
  electing: Promise<void> | undefined;
  ranAction = false;
  /** What its action threw. */
  failure: unknown;
  readonly #end: (outcome: Outcome) => void;

  constructor(member: Member, givenUp: AbortSignal) {
    this.member = member;
    this.givenUp = givenUp;
    let end: (outcome: Outcome) => void = () => {};
    this.ended = new Promise((resolve) => {
      end = resolve;
    });
    this.#end = end;
  }

  get arrivedAt(): number {
    return this.member.revision;
  }

  /** The first time counts. */
  end(outcome: Outcome): void {
    this.#end(outcome);
  }
}

/** What those who waited for a broken generation are told. */
export function brokenError(
  name: string,
  { generation, broken }: { readonly generation: number; readonly broken?: Break | undefined },
  cause?: unknown,
): QuorateError {
  const { reason = 'forgotten', by = '', message } = broken ?? {};
  const why = message === undefined ? reason : `${reason}: ${message}`;
  return new QuorateError(
    'barrier-broken',
    `generation ${generation} of the barrier ${JSON.stringify(name)} is broken (${why})`,
    {
      details: { generation, reason, by, ...(message === undefined ? {} : { message }) },
      ...(cause === undefined ? {} : { cause }),
    },
  );
}
