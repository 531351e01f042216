import { asQuorateError } from '../failures.js';
import type { MessageHandler } from './consume-options.js';
import type { Consumer } from './consumer.js';
import type { Delivery } from './delivery.js';

interface Item<T> {
  readonly message: Delivery<T>;
  /** The handler ends; with automatic acknowledgement the message is dealt with. */
  end(): void;
}

/**
 * The messages of a group one by one, for a reader that asks for them. Its consumer is begun with the first, and closed when the
 * reader leaves. With automatic acknowledgement, to ask for the next message is to have dealt with the one before.
 */
export async function* iterate<T>(
  consume: (handler: MessageHandler<T>) => Consumer<T>,
  isAutomatic: boolean,
  stop: AbortSignal,
): AsyncGenerator<Delivery<T>, void, void> {
  const items: Item<T>[] = [];
  let wake: () => void = () => {};
  const consumer = consume((message) => {
    return new Promise<void>((resolve, reject) => {
      const onAbort = () => {
        const at = items.indexOf(item);
        if (at >= 0) items.splice(at, 1);
        reject(message.signal.reason);
      };
      const end = () => {
        // The signal lives as long as the partition is this member's.
        message.signal.removeEventListener('abort', onAbort);
        resolve();
      };
      const item = { message, end };
      items.push(item);
      message.signal.addEventListener('abort', onAbort, { once: true });
      wake();
    });
  });
  let hasEnded = false;
  let failure: unknown;
  void consumer.ended.then((error) => {
    hasEnded = true;
    failure = error;
    wake();
  });
  const onStop = () => wake();
  stop.addEventListener('abort', onStop, { once: true });
  try {
    while (!stop.aborted) {
      const item = items.shift();
      if (item !== undefined) {
        if (!isAutomatic) item.end();
        yield item.message;
        item.end();
      } else if (hasEnded) {
        if (failure !== undefined) throw asQuorateError(failure);
        return;
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (stop.aborted) resolve();
        });
      }
    }
  } finally {
    stop.removeEventListener('abort', onStop);
    await consumer.close({ graceMs: 0 });
  }
}
