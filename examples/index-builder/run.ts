/**
 * Three candidates elect one that builds an inverted index. It is killed with `kill -9` midway; the next one carries on
 * from its checkpoint. The index that comes out must be the one that a single process builds in one go.
 */
import { readSections } from '../support/corpus.js';
import type { ExampleProcess, Message } from '../support/example-process.js';
import type { Claim, Flow } from '../support/flow.js';
import { buildIndex, digestOf, search } from './inverted-index.js';
import { loadIndex, segmentCount } from './segments.js';

const candidate = new URL('./candidate.ts', import.meta.url);
const queries = ['lock', 'etcd client', 'node module import', 'stream error', 'license mit', 'zyzzyva'];

export async function indexBuilder(flow: Flow): Promise<Claim[]> {
  const sections = readSections();
  const count = segmentCount(sections);
  const candidates = ['one', 'two', 'three'].map((label) => flow.start(candidate, label));
  const terms: Message[] = [];
  const watchTerms = (process: ExampleProcess) =>
    process.onMessage((message) => {
      if (message.type === 'leading') terms.push(message);
      if (message.type === 'progress' && Number(message.done) % 20 === 0) {
        flow.say(`${process.label} in term ${message.term}: ${message.done} of ${message.of} segments`);
      }
    });
  for (const process of candidates) watchTerms(process);
  await Promise.all(candidates.map((process) => process.next('ready')));
  flow.say(`3 candidates; ${sections.length} documents in ${count} segments`);

  const first = await Promise.race(candidates.map((process) => progressTo(process, Math.floor(count / 3))));
  await first.crash();
  flow.say(`the leader ${first.label} was killed with kill -9`);
  const replacement = flow.start(candidate, `${first.label}-again`);
  watchTerms(replacement);

  const serving = [...candidates.filter((process) => process !== first), replacement];
  await Promise.all(serving.map((process) => process.next('loaded')));
  flow.say(`${serving.length} processes have loaded the result and answer queries`);
  const expected = buildIndex(sections);
  const answers = await Promise.all(
    serving.flatMap((process) => queries.map((query) => ask(process, query))),
  );
  const right = answers.filter(
    ({ query, documents }) => JSON.stringify(documents) === JSON.stringify(search(expected, query)),
  );

  const client = await flow.client();
  const published = await loadIndex(client);
  await client.close();
  for (const process of serving) process.send({ type: 'stop' });
  await Promise.all(serving.map((process) => process.finished()));

  const reached = Math.max(...first.messages.map((message) => Number(message.done ?? 0)));
  const numbers = terms.map(({ term }) => Number(term));
  // On a slow machine there may be more: a leader whose process stands still for its TTL is followed by another, too.
  const killedIn = Math.max(
    ...first.messages.filter(({ type }) => type === 'leading').map(({ term }) => Number(term)),
  );
  const after = terms[numbers.indexOf(killedIn) + 1];
  const from = Number(after?.from ?? 0);
  const firstOfNew = published.terms.indexOf(Number(after?.term));
  return [
    {
      claim: 'the next leader carried on from the checkpoint',
      evidence: `killed at ${reached}, went on at ${from}, not at 0`,
      holds: from > 0 && from >= reached && from <= reached + 1 && firstOfNew === from && reached < count,
    },
    {
      claim: 'one term at a time, and terms rise',
      evidence: `terms ${numbers.join(', ')}`,
      holds:
        new Set(numbers).size === numbers.length &&
        numbers.length >= 2 &&
        isAscending(numbers) &&
        isAscending(published.terms),
    },
    {
      claim: 'the index equals one built in one go',
      evidence: `${published.index.size} words, sha256 ${digestOf(published.index).slice(0, 12)}`,
      holds: digestOf(published.index) === digestOf(expected) && published.terms.length === count,
    },
    {
      claim: 'followers answer queries from the result',
      evidence: `${right.length} of ${answers.length} answers of ${serving.length} processes right`,
      holds: right.length === answers.length && search(expected, queries[0] ?? '').length > 0,
    },
  ];
}

/** Resolves with the process once it has published so many segments. */
function progressTo(process: ExampleProcess, done: number): Promise<ExampleProcess> {
  return new Promise((resolve) => {
    process.onMessage((message) => {
      if (message.type === 'progress' && Number(message.done) >= done) resolve(process);
    });
  });
}

function ask(process: ExampleProcess, query: string): Promise<{ query: string; documents: unknown }> {
  return new Promise((resolve) => {
    process.onMessage((message) => {
      if (message.type === 'answer' && message.query === query)
        resolve({ query, documents: message.documents });
    });
    process.send({ type: 'query', query });
  });
}

function isAscending(numbers: readonly number[]): boolean {
  return numbers.every((number, index) => index === 0 || number >= (numbers[index - 1] ?? 0));
}
