import sqlite from 'node-sqlite3-wasm';
import { Client, Mutex, QuorateError } from 'quorate';
import { type ProcessContext, Simulation } from 'quorate/simulator';

const db = new sqlite.Database();
db.exec(`
  CREATE TABLE fence (resource TEXT PRIMARY KEY, token INTEGER NOT NULL) STRICT;
  CREATE TABLE stock (item TEXT PRIMARY KEY, units INTEGER NOT NULL) STRICT;
  INSERT INTO stock VALUES ('lamp', 10);
`);

/** Runs `work` in one SQL transaction, unless a newer hold of the resource's lock has been here. */
function fencedTransaction<T>(resource: string, token: number, work: () => T): T {
  db.exec('BEGIN IMMEDIATE');
  try {
    const { changes } = db.run(
      `INSERT INTO fence (resource, token) VALUES (:resource, :token)
       ON CONFLICT (resource) DO UPDATE SET token = excluded.token WHERE excluded.token >= fence.token`,
      { ':resource': resource, ':token': token },
    );
    if (changes === 0) throw new QuorateError('fenced', `a newer hold of ${resource} has been here`);
    const result = work();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    db.exec('ROLLBACK');
    throw error;
  }
}

const readUnits = () => Number(db.get(`SELECT units FROM stock WHERE item = 'lamp'`)?.['units']);
const writeUnits = (units: number) => db.run(`UPDATE stock SET units = ? WHERE item = 'lamp'`, units);

/** Sells one lamp: reads the stock in one SQL transaction and writes it in another, under one hold. */
async function sell({ name, store, runtime }: ProcessContext): Promise<void> {
  const client = await Client.open({ store, runtime, connectTimeoutMs: 60_000 });
  const hold = await new Mutex(client, 'stock/lamp').acquire();
  const units = fencedTransaction('stock/lamp', hold.token, readUnits);
  console.log(`${name}: I see ${units}, and my hold stands: ${hold.isHeld}. So I write ${units - 1}`);
  // The write is on its way to the database.
  await new Promise<void>((resolve) => runtime.setTimer(100, () => resolve()));
  try {
    fencedTransaction('stock/lamp', hold.token, () => writeUnits(units - 1));
    console.log(`${name}: written`);
  } catch (error) {
    console.log(`${name}: ${error instanceof QuorateError ? error.code : error}, so I stop`);
  }
  await hold.release();
}

const simulation = new Simulation({ seed: 1 });
const first = simulation.start('first', sell);
await simulation.runUntil(() => db.get('SELECT * FROM fence') !== null, 10_000);
const pause = first.pause();
console.log('-- the first process stands still for a minute; its lease runs out');
const second = simulation.start('second', sell);
await simulation.run(60_000);
console.log('-- the first process goes on as if nothing had happened');
pause.resume();
await simulation.runUntil(() => first.status === 'finished' && second.status === 'finished', 10_000);
console.log(`left: ${readUnits()}`);
