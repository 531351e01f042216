import { invalidArgument, type QuorateError } from '../../errors.js';
import type { Subscriber } from './subscriber.js';
import type { ChannelItem, ChannelPosition } from './types.js';

/**
 * What somebody is told of one channel, or of several: an iterator of items, for one reader, or, with `onItem`, none. Leaving
 * the `for await` closes it.
 *
 * Iterating throws what can never be recovered from (`closed`, `permission-denied`…), and `over-limit` where that is the policy.
 * `position` then tells how far it had come, and a new subscription goes on from there.
 */
export class ChannelSubscription<T>
  implements AsyncIterableIterator<ChannelItem<T>, undefined>, AsyncDisposable
{
  /**
   * Resolves when it is over: with the error that ended it, or undefined where it was closed or its signal fired. Never rejects.
   */
  readonly ended: Promise<QuorateError | undefined>;
  readonly #subscriber: Subscriber<T>;
  readonly #isListener: boolean;

  /** Made by `subscribe`. */
  constructor(subscriber: Subscriber<T>, { isListener }: { readonly isListener: boolean }) {
    this.#subscriber = subscriber;
    this.#isListener = isListener;
    this.ended = subscriber.ended;
  }

  /** After what it began: everything that comes after that is told to it. */
  get start(): ChannelPosition {
    return this.#subscriber.start;
  }

  /** How far it has been told: the last item that was handed out, or where it began. */
  get position(): ChannelPosition {
    return this.#subscriber.position;
  }

  /** The next item. Several may be asked for at a time; they come in order. */
  next(): Promise<IteratorResult<ChannelItem<T>, undefined>> {
    if (this.#isListener) {
      return Promise.reject(invalidArgument('a subscription with onItem is iterated', 'one without onItem'));
    }
    return this.#subscriber.next();
  }

  async return(): Promise<IteratorResult<ChannelItem<T>, undefined>> {
    await this.close();
    return { value: undefined, done: true };
  }

  /** Ends it; what it has not taken is not told any more. Nothing is sent. Idempotent. */
  async close(): Promise<void> {
    this.#subscriber.end();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
