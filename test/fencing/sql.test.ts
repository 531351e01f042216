import fc from 'fast-check';
import sqlite from 'node-sqlite3-wasm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { propertyRuns } from '../support/property-runs.js';
import { blocks, sqlOfPage } from './fencing-page.js';

type Value = string | number | null;

let db: InstanceType<typeof sqlite.Database>;
beforeEach(() => {
  db = new sqlite.Database();
});
afterEach(() => {
  db.close();
});

/** Runs the SQL of that name as it stands on the page; answers how many rows it changed. */
function run(name: string, values: Readonly<Record<string, Value>>): number {
  const sql = sqlOfPage(name);
  const wanted = [...new Set(sql.match(/:\w+/g))];
  return db.run(sql, Object.fromEntries(wanted.map((key) => [key, values[key.slice(1)] ?? null]))).changes;
}

const row = () => db.get(`SELECT cents, fence FROM price WHERE item = 'lamp'`);

describe('SQL of docs/fencing.md, a fence in each row', () => {
  beforeEach(() => {
    db.exec(sqlOfPage('row-table'));
  });

  it('lets one hold write many times, and refuses an older one once a newer one has written', () => {
    expect(run('upsert', { item: 'lamp', cents: 500, token: 31 })).toBe(1);
    expect(run('update', { item: 'lamp', cents: 510, token: 33 })).toBe(1);
    expect(run('update', { item: 'lamp', cents: 520, token: 33 })).toBe(1);
    expect(run('update', { item: 'lamp', cents: 400, token: 31 })).toBe(0);
    expect(run('update', { item: 'none', cents: 400, token: 34 })).toBe(0);
    expect(row()).toEqual({ cents: 520, fence: 33 });
  });

  it('keeps tokens as large as they get, exactly', () => {
    const largest = Number.MAX_SAFE_INTEGER;
    run('upsert', { item: 'lamp', cents: 500, token: largest });
    expect(run('update', { item: 'lamp', cents: 400, token: largest - 1 })).toBe(0);
    expect(run('update', { item: 'lamp', cents: 600, token: largest })).toBe(1);
    expect(row()).toEqual({ cents: 600, fence: largest });
  });

  it('applies what must happen once in a hold once, however often it is sent; the fence tells whose it was', () => {
    run('upsert', { item: 'lamp', cents: 500, token: 31 });
    expect(run('once', { item: 'lamp', more: 10, token: 33 })).toBe(1);
    expect(run('once', { item: 'lamp', more: 10, token: 33 })).toBe(0);
    expect(row()).toEqual({ cents: 510, fence: 33 });
    expect(run('once', { item: 'lamp', more: 10, token: 32 })).toBe(0);
    expect(run('once', { item: 'lamp', more: 10, token: 34 })).toBe(1);
  });

  it('refuses a late upsert, of a row that is deleted too: the tombstone keeps the fence', () => {
    run('upsert', { item: 'lamp', cents: 500, token: 33 });
    expect(run('upsert', { item: 'lamp', cents: 400, token: 32 })).toBe(0);
    expect(run('delete', { item: 'lamp', token: 32 })).toBe(0);
    expect(run('delete', { item: 'lamp', token: 34 })).toBe(1);
    expect(run('upsert', { item: 'lamp', cents: 400, token: 33 })).toBe(0);
    expect(row()).toEqual({ cents: null, fence: 34 });
    expect(run('upsert', { item: 'lamp', cents: 700, token: 35 })).toBe(1);
    // What the page warns of.
    db.run(`DELETE FROM price WHERE item = 'lamp' AND fence <= 36`);
    expect(run('upsert', { item: 'lamp', cents: 400, token: 33 })).toBe(1);
  });

  it('a late write comes in between a read and its write, as the page says, unless the row was taken first', () => {
    for (const takesFirst of [false, true]) {
      db.run('DELETE FROM price');
      run('upsert', { item: 'lamp', cents: 10, token: 31 });
      if (takesFirst) expect(run('take', { item: 'lamp', token: 34 })).toBe(1);
      expect(row()).toEqual({ cents: 10, fence: takesFirst ? 34 : 31 });
      expect(run('update', { item: 'lamp', cents: 9, token: 33 })).toBe(takesFirst ? 0 : 1);
      expect(run('update', { item: 'lamp', cents: 9, token: 34 })).toBe(1);
    }
  });

  it('compares the epoch first', () => {
    db.exec('ALTER TABLE price ADD COLUMN epoch INTEGER NOT NULL DEFAULT 1');
    run('upsert', { item: 'lamp', cents: 500, token: 9_000 });
    expect(run('epoch', { item: 'lamp', cents: 510, epoch: 2, token: 1_024 })).toBe(1);
    expect(run('epoch', { item: 'lamp', cents: 400, epoch: 1, token: 9_001 })).toBe(0);
    expect(run('epoch', { item: 'lamp', cents: 520, epoch: 2, token: 1_024 })).toBe(1);
    expect(run('epoch', { item: 'lamp', cents: 400, epoch: 2, token: 1_023 })).toBe(0);
    expect(row()).toEqual({ cents: 520, fence: 1_024 });
  });
});

describe('SQL of docs/fencing.md, one fence for each lock', () => {
  beforeEach(() => {
    db.exec(sqlOfPage('fence-tables'));
  });

  it('advances with a newer token and with the same, never with an older, for each resource by itself', () => {
    expect(run('advance', { resource: 'stock/lamp', token: 33 })).toBe(1);
    expect(run('advance', { resource: 'stock/lamp', token: 33 })).toBe(1);
    expect(run('advance', { resource: 'stock/lamp', token: 32 })).toBe(0);
    expect(run('advance', { resource: 'stock/lamp', token: 34 })).toBe(1);
    expect(run('advance', { resource: 'stock/lamp', token: 33 })).toBe(0);
    expect(run('advance', { resource: 'stock/chair', token: 12 })).toBe(1);
  });

  it('loses no sale, in whatever order the transactions of the holders arrive', () => {
    let refusedWrites = 0;
    // Each number is the token of a holder, which reads with its first transaction and writes with the later ones.
    const arrivals = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 4, maxLength: 16 });
    fc.assert(
      fc.property(arrivals, (tokens) => {
        db.exec('DELETE FROM fence; DELETE FROM stock');
        db.run(`INSERT INTO stock VALUES ('lamp', 100)`);
        const held = new Map<number, number | undefined>();
        let sold = 0;
        for (const token of tokens) {
          const isRefused = run('advance', { resource: 'stock/lamp', token }) === 0;
          const units = held.get(token);
          if (isRefused) {
            held.set(token, undefined);
            if (units !== undefined) refusedWrites += 1;
          } else if (units === undefined) {
            held.set(token, Number(db.get('SELECT units FROM stock')?.['units']));
          } else {
            db.run('UPDATE stock SET units = ?', units - 1);
            held.set(token, units - 1);
            sold += 1;
          }
        }
        expect(db.get('SELECT units FROM stock')).toEqual({ units: 100 - sold });
      }),
      propertyRuns(300),
    );
    expect(refusedWrites).toBeGreaterThan(50);
  });
});

it('every SQL block of the page that has a name is tried above', () => {
  const tried = [
    'advance',
    'delete',
    'epoch',
    'fence-tables',
    'once',
    'row-table',
    'take',
    'update',
    'upsert',
  ];
  const named = blocks
    .map(({ info }) => info.split(' '))
    .filter(([language, name]) => language === 'sql' && name);
  expect(named.map(([, name]) => name).sort()).toEqual(tried);
});
