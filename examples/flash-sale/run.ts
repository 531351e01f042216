/**
 * Four processes with thousands of buyers sell a stock that is too small. One process is killed with `kill -9`, another
 * is stopped inside its critical section until its lease has run out and then woken up, with its write still to come.
 */
import { getPrefix, put, textOf } from 'quorate';
import type { ExampleProcess } from '../support/example-process.js';
import type { Claim, Flow } from '../support/flow.js';

const shop = new URL('./shop.ts', import.meta.url);
const buyersEach = 600;
const stock = 1_500;

export async function flashSale(flow: Flow): Promise<Claim[]> {
  const client = await flow.client();
  const keys = client.keys.prefix('app', 'sale');
  await client.store.txn({ compare: [], success: [put(`${keys}stock`, String(stock))], failure: [] });

  const start = (label: string, settings = {}) =>
    flow.start(shop, label, { BUYERS: String(buyersEach), ...settings });
  const [north, east] = [start('north'), start('east')];
  const [paused, killed] = [start('paused', { STOP_AT: '60' }), start('killed')];
  const shops = [north, east, paused, killed];
  await Promise.all(shops.map((one) => one.next('ready')));
  flow.say(`${shops.length} processes with ${buyersEach} buyers each, ${stock} units in stock: open`);
  for (const one of shops) one.send({ type: 'open' });

  await killed.next('progress');
  await killed.crash();
  flow.say('one process was killed with kill -9 in the middle of its sales');

  const left = await pauseInsideSection(flow, paused, [north, east]);
  await Promise.all([north, east, paused].map((one) => one.next('done')));
  await Promise.all([north, east, paused].map((one) => one.finished()));

  const { kvs } = await client.store.range(getPrefix(keys));
  const remaining = Number(textOf(kvs.find((kv) => kv.key === `${keys}stock`)?.value ?? new Uint8Array()));
  const orders = kvs
    .filter((kv) => kv.key.startsWith(`${keys}order/`))
    .map((kv) => ({
      unit: Number(kv.key.slice(`${keys}order/`.length)),
      writes: kv.version,
      ...(JSON.parse(textOf(kv.value)) as { buyer: string; token: number }),
    }))
    .sort((a, b) => b.unit - a.unit);
  await client.close();
  return judge(remaining, orders, shops, left);
}

/** Stops the process inside its critical section, until the others have gone on without it. Returns the stock it saw. */
async function pauseInsideSection(
  flow: Flow,
  paused: ExampleProcess,
  others: readonly ExampleProcess[],
): Promise<number> {
  const { left } = await paused.next('inside');
  paused.pause();
  flow.say(`one process was stopped (SIGSTOP) between its read (${left} left) and its write`);
  await Promise.race(others.map((one) => saleAfterNow(one)));
  flow.say('its lease ran out and the others go on selling: woken up (SIGCONT), its write goes out now');
  paused.resume();
  paused.send({ type: 'go-on' });
  await paused.next('refused');
  flow.say('the store refused that write; its buyer queues again');
  return Number(left);
}

function saleAfterNow(one: ExampleProcess): Promise<void> {
  const seen = one.messages.length;
  return new Promise((resolve) => {
    one.onMessage(({ type }) => {
      if (type === 'progress' && one.messages.length > seen) resolve();
    });
  });
}

interface Order {
  readonly unit: number;
  readonly writes: number;
  readonly buyer: string;
  readonly token: number;
}

function judge(
  remaining: number,
  orders: readonly Order[],
  shops: readonly ExampleProcess[],
  leftAtPause: number,
): Claim[] {
  const buyers = new Set(orders.map((order) => order.buyer));
  const tokensRise = orders.every(
    (order, index) => index === 0 || order.token > (orders[index - 1]?.token ?? 0),
  );
  const refusals = shops.flatMap((one) => one.messages.filter((message) => message.type === 'refused'));
  const staleUnit = orders.find((order) => order.unit === leftAtPause);
  return [
    {
      claim: 'nothing oversold: sold + remaining = stock',
      evidence: `${orders.length} sold + ${remaining} remaining = ${stock}`,
      holds: remaining >= 0 && orders.length + remaining === stock && orders.length > 0,
    },
    {
      claim: 'each unit sold once, to one buyer',
      evidence: `${orders.length} orders, ${buyers.size} buyers, ${orders.filter((order) => order.writes > 1).length} written twice`,
      holds: buyers.size === orders.length && orders.every((order) => order.writes === 1),
    },
    {
      claim: 'fencing tokens rise from sale to sale',
      evidence: `${orders[0]?.token} to ${orders.at(-1)?.token}`,
      holds: tokensRise,
    },
    {
      claim: 'the store refuses stale writes',
      evidence: `${refusals.length} refused; unit ${leftAtPause} went to ${staleUnit?.buyer}`,
      holds: refusals.length > 0 && (staleUnit === undefined || !staleUnit.buyer.startsWith('paused')),
    },
    {
      claim: 'the others finish beside a killed and a paused process',
      evidence: `${shops.filter((one) => one.succeeded).length} of ${shops.length} processes ended well`,
      holds: shops.filter((one) => one.succeeded).length === shops.length - 1,
    },
  ];
}
