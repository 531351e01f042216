import { describe, expect, it } from 'vitest';
import { RecordLedger } from '../../src/queues/worker/record-ledger.js';

describe('the ledger of records', () => {
  it('QUEUE-6 knows a record that was deleted while it was being read, until the reading is over', () => {
    const ledger = new RecordLedger();
    ledger.opened('a/w/1', 1);
    const stopReading = ledger.startReading();
    const deleted = ledger.cleanUpWith('a/w/1');
    ledger.settled('a/w/1');
    ledger.cleaned(deleted, true);
    expect(deleted).toEqual(['a/w/1']);
    expect(ledger.knows('a/w/1')).toBe(true);
    stopReading();
    expect(ledger.knows('a/w/1')).toBe(false);
  });

  it('forgets at once what was deleted while nobody was reading', () => {
    const ledger = new RecordLedger();
    ledger.opened('a/w/1', 1);
    ledger.settled('a/w/1');
    ledger.cleaned(ledger.takeEmptied(), true);
    expect(ledger.knows('a/w/1')).toBe(false);
    expect(ledger.hasEmptied).toBe(false);
  });
});
