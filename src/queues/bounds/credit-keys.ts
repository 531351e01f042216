/**
 * The accounts of the producers of a bounded queue, and the dispatcher's transactions about them.
 *
 * Keys, for each producer (one life of it: its session's), all below `j/`:
 * - `j/<producer>/h`: it is present; on its session's lease.
 * - `j/<producer>/g`: what was granted to it, in all, and the demand that this answers. Written by the dispatcher, unleased.
 * - `j/<producer>/u`: what it has used, in all, and its demand. Written by the producer, unleased.
 *
 * Dispatcher: `{IF mod(h/ctl) = as planned, create(h) > 0 for each that is granted something, mod(u) = as seen for each that something
 * is taken back from, create(h) = 0 and mod(u) = as seen for each that is
 * gone, create(i/X) = c, version(g/X) = k for each item that is dropped THEN put g, …, delete g, delete u, delete i/X, g/X, P/X}`
 * under its term; refused, it reads each i/X, so that what is gone is not dropped again. Whoever has lost its presence may still spend: a group that it had prepared may be on its way. So to forget it names
 * what it had used, as taking back does; and is refused if it has deleted its account itself, which the watch tells.
 */
import {
  type Compare,
  compare,
  get,
  type KeyEvent,
  type KeyValue,
  nested,
  type Op,
  type OpReply,
  put,
  remove,
  type TxnOp,
} from '../../store/index.js';
import type { ItemId, QueueKeys } from '../keys.js';
import { type Demand, decodeDemand, decodeGrant, encodeGrant } from '../records/index.js';
import type { CreditChange, CreditWrite, StoredAccount } from './credit-messages.js';

/** Below the compares of the same write, which are the most: etcd takes 128 operations on a path. */
const dropsPerBlock = 8;
const nothing: Demand = { used: 0, next: 0, wanted: 0, ask: 0 };

type Part = 'h' | 'g' | 'u';

export function accountKey(keys: QueueKeys, name: string, part: Part): string {
  return `${keys.accounts.key}${name}/${part}`;
}

/** What a key below `j/` tells; undefined for one of another program. */
export function creditChangeOf(keys: QueueKeys, { type, kv }: KeyEvent): CreditChange | undefined {
  const [name = '', part] = keys.nameIn(keys.accounts, kv.key).split('/');
  const isPut = type === 'put';
  switch (part) {
    case 'h':
      return { type: 'presence', name, here: isPut };
    case 'g':
      return { type: 'grant', name, grant: isPut ? lenient(() => decodeGrant(kv.value)) : undefined };
    case 'u':
      // One that cannot be read is there all the same.
      return {
        ...{ type: 'demand', name },
        demand: isPut ? (lenient(() => decodeDemand(kv.value)) ?? nothing) : undefined,
      };
    default:
      return undefined;
  }
}

export function accountsIn(keys: QueueKeys, kvs: readonly KeyValue[]): readonly StoredAccount[] {
  const accounts = new Map<string, { -readonly [Field in keyof StoredAccount]: StoredAccount[Field] }>();
  for (const kv of kvs) {
    const change = creditChangeOf(keys, { type: 'put', kv });
    if (change === undefined || !('name' in change)) continue;
    const { name } = change;
    const account = accounts.get(name) ?? {
      ...{ name, here: false, grant: undefined, demand: undefined, demandMod: 0 },
    };
    accounts.set(name, account);
    if (change.type === 'presence') account.here = true;
    else if (change.type === 'grant') account.grant = change.grant;
    else {
      account.demand = change.demand;
      account.demandMod = kv.modRevision;
    }
  }
  return [...accounts.values()];
}

export function creditTxn(keys: QueueKeys, { control, grants, forgotten, drops }: CreditWrite): TxnOp {
  const compares: Compare[] = [compare.mod(keys.control, 'equal', control)];
  const success: Op[] = [];
  for (const { name, demandMod, ...grant } of grants) {
    compares.push(compare.create(accountKey(keys, name, 'h'), 'greater', 0));
    if (demandMod !== undefined) compares.push(compare.mod(accountKey(keys, name, 'u'), 'equal', demandMod));
    success.push(put(accountKey(keys, name, 'g'), encodeGrant(grant)));
  }
  for (const { name, demandMod } of forgotten) {
    compares.push(compare.create(accountKey(keys, name, 'h'), 'equal', 0));
    // Without a demand it can spend nothing. What is forgotten must be there: whoever plans waits for its deletion.
    if (demandMod === 0) compares.push(compare.create(accountKey(keys, name, 'g'), 'greater', 0));
    else compares.push(compare.mod(accountKey(keys, name, 'u'), 'equal', demandMod));
    success.push(remove(accountKey(keys, name, 'g')), remove(accountKey(keys, name, 'u')));
  }
  for (const { id, create, generation } of drops) {
    compares.push(
      compare.create(keys.item(id), 'equal', create),
      compare.version(keys.generation(id), 'equal', generation),
    );
  }
  for (let from = 0; from < drops.length; from += dropsPerBlock) {
    const block = drops.slice(from, from + dropsPerBlock);
    const gone = block.flatMap(({ id }) => [keys.item(id), keys.generation(id), keys.progressOf(id)]);
    success.push(nested({ success: gone.map((key) => remove(key)) }));
  }
  const failure = drops.map(({ id }) => get(keys.item(id), { keysOnly: true }));
  return nested({ compare: compares, success, failure });
}

/** What it wanted to drop and is no longer there, by the answer to one that was refused. */
export function dropsGone(
  keys: QueueKeys,
  write: CreditWrite,
  reply: OpReply | undefined,
): readonly ItemId[] {
  if (reply?.type !== 'txn' || reply.succeeded) return [];
  const there = new Set(
    reply.replies.flatMap((read) => (read.type === 'range' ? read.kvs.map(({ key }) => key) : [])),
  );
  return write.drops.map(({ id }) => id).filter((id) => !there.has(keys.item(id)));
}

function lenient<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
