/**
 * One process of a flash sale: hundreds of buyers at once, all after the same few units of stock.
 *
 * A purchase is a read and a write under the lock, and the write does not look at the stock again. What makes that safe
 * is its guard: a compare that fails once the lock has left this process. So a process that was paused between the
 * two, while its lease ran out and others went on selling, has its late write refused by the store.
 */
import { get, Mutex, put, textOf } from 'quorate';
import { connect, main, onCommand, report, settings } from '../support/inside-process.js';

const buyers = Number(process.env.BUYERS);
/** The purchase that stops for a moment inside the critical section, where the runner pauses this process. */
const stopAt = Number(process.env.STOP_AT ?? 0);

await main(async () => {
  const client = await connect();
  const mutex = new Mutex(client, 'stock');
  const keys = client.keys.prefix('app', 'sale');
  const goOn = new Promise<void>((resolve) => onCommand('go-on', () => resolve()));
  const counts = { sold: 0, soldOut: 0, staleRefused: 0, lostHolds: 0 };
  let purchases = 0;

  /** One try to buy. Undefined if the hold ended on the way, and it is to be tried again. */
  async function purchase(buyer: string): Promise<'sold' | 'sold out' | undefined> {
    await using hold = await mutex.acquire();
    const { kvs } = await client.store.range(get(`${keys}stock`));
    const left = Number(textOf(kvs[0]?.value ?? new Uint8Array()));
    if (left === 0) return 'sold out';

    purchases += 1;
    if (purchases === stopAt) {
      report({ type: 'inside', left });
      await goOn;
    }
    // `hold.txn()` would do, and would refuse at once what it knows to be late. The guard in a transaction of one's
    // own is sent whatever this process believes: the store alone decides.
    const sale = await client.store.txn({
      compare: [hold.guard()],
      success: [
        put(`${keys}stock`, String(left - 1)),
        put(`${keys}order/${left}`, JSON.stringify({ buyer, token: hold.token })),
      ],
      failure: [],
    });
    if (sale.succeeded) return 'sold';
    counts.staleRefused += 1;
    if (!hold.isHeld) counts.lostHolds += 1;
    report({ type: 'refused', left, heldByItsOwnView: hold.isHeld });
    return undefined;
  }

  async function buy(buyer: string): Promise<void> {
    let outcome = await purchase(buyer);
    while (outcome === undefined) outcome = await purchase(buyer);
    if (outcome === 'sold') counts.sold += 1;
    else counts.soldOut += 1;
    if (counts.sold % 25 === 0 && outcome === 'sold') report({ type: 'progress', ...counts });
  }

  report({ type: 'ready' });
  await new Promise<void>((resolve) => onCommand('open', () => resolve()));
  await Promise.all(
    Array.from({ length: buyers }, (_unused, index) => buy(`${settings.label}-${index + 1}`)),
  );
  report({ type: 'done', ...counts });
  await client.close();
});
