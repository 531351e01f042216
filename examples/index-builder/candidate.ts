/**
 * One candidate. While it leads, it builds the index from the last checkpoint on and publishes it segment by segment;
 * while it follows, it waits for the result, loads it and answers queries.
 */
import { Election, systemRuntime, type Term, textOf } from 'quorate';
import { readSections } from '../support/corpus.js';
import { command, connect, main, onCommand, report } from '../support/inside-process.js';
import { search } from './inverted-index.js';
import { loadIndex, segmentCount, segmentPut } from './segments.js';

/** The work would be over in a blink. So one can watch it, and strike in the middle of it, it is taken slowly. */
const paceMs = 20;

await main(async () => {
  const client = await connect();
  const election = new Election(client, 'index-builder');
  const sections = readSections();
  const stop = new AbortController();

  async function build({ term, signal, leadership }: Term): Promise<void> {
    const from = leadership.lastCheckpoint ? Number(textOf(leadership.lastCheckpoint)) : 0;
    const to = segmentCount(sections);
    report({ type: 'leading', term, from });
    for (let number = from; number < to; number += 1) {
      // Both writes are refused by the store once another leads. Between them the segment may be written twice, the
      // same both times; a segment is never skipped.
      await leadership.txn({ success: [segmentPut(client, sections, number, term)] });
      await leadership.checkpoint(String(number + 1));
      report({ type: 'progress', term, done: number + 1, of: to });
      await new Promise<void>((resolve) => systemRuntime.setTimer(paceMs, resolve));
      signal.throwIfAborted();
    }
    await leadership.proclaim('complete');
    report({ type: 'complete', term });
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  }

  async function follow(): Promise<void> {
    for await (const view of election.observe({ signal: stop.signal })) {
      if (view.status !== 'leader' || textOf(view.value) !== 'complete') continue;
      const { index } = await loadIndex(client);
      onCommand('query', ({ query }) => {
        report({ type: 'answer', query, documents: search(index, String(query)) });
      });
      report({ type: 'loaded', words: index.size });
      return;
    }
  }

  const leading = election.lead(build, { signal: stop.signal });
  const following = follow();
  report({ type: 'ready', documents: sections.length });
  await command('stop');
  stop.abort();
  await Promise.allSettled([leading, following]);
  await client.close();
});
