/**
 * docs/invariants.md, made of what stands elsewhere: the sentences of the checkers, the properties, their mutants, and the
 * titles of the tests. `npm run docs:invariants` writes the page; a test keeps it in step.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mutants } from '../property-tests/mutants/index.js';
import type { Mutant } from '../property-tests/mutants/mutant.js';
import { properties as listed } from '../property-tests/properties.js';
import { invariants } from '../src/checkers/index.js';

/** The toy is there to show that the machine works. */
const properties = listed.filter(({ module }) => module !== 'toy');

const root = fileURLToPath(new URL('..', import.meta.url));
const idPattern = /\b[A-Z]+-\d+\b/g;

const chapters: readonly (readonly [title: string, families: readonly string[]])[] = [
  ['Store', ['ENGINE', 'COMMIT', 'WATCH']],
  ['Session', ['SESSION']],
  ['Locks', ['LOCK']],
  ['Read-write locks', ['RW']],
  ['Semaphores', ['SEMAPHORE']],
  ['Sets of locks', ['MULTI']],
  ['Conditions', ['CONDITION']],
  ['Deadlocks', ['DEADLOCK']],
  ['Election', ['ELECTION']],
  ['Queues', ['QUEUE']],
  ['Transactions', ['STM']],
  ['Values, counters and ids', ['VALUE', 'COUNTER', 'IDS']],
  ['Barriers', ['BARRIER', 'LATCH', 'DOUBLE', 'CYCLIC', 'PHASER']],
  ['Topics', ['TOPIC']],
  ['Replicas', ['REPLICA']],
  ['Channels', ['CHANNEL']],
  ['Configuration', ['CONFIG']],
];

const introduction = `# Invariants

What must hold whatever networks, clocks, processes and callers do. This page is made by \`npm run docs:invariants\` of what
stands in the code; a test keeps it in step.

- *Property*: draws random plans, of a workload and of [faults](failure-model.md), plays each in the [simulator](simulator.md)
  and judges it by the store's own history. \`npm run test:properties -- --module mutex\` runs one.
- *Killed*: bugs of others, planted on purpose, that the property finds as a breach of this invariant, or of one that the table
  at the end names beside it. \`npm run mutants\` plants them all.
- *Tests*: further suites whose titles name the id. \`npx vitest run -t LOCK-2\` runs what checks one of them.

A checker of \`quorate/checkers\` throws the sentence that a history breaks, with its id.
`;

/** Files below test/ and property-tests/ in whose test titles an id is named, by id. */
function testsById(): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const folder of ['test', 'property-tests']) {
    const files = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' });
    for (const file of files.filter((name) => name.endsWith('.test.ts')).sort()) {
      if (file.startsWith('architecture') || file.startsWith('checkers')) continue;
      const text = readFileSync(join(root, folder, file), 'utf8');
      const titles = [...text.matchAll(/\b(?:it|test|describe)\b[^'"`\n]*\(\s*(['"`])(.*?)\1/g)];
      const ids = new Set(titles.flatMap((match) => match[2]?.match(idPattern) ?? []));
      for (const id of ids) found.set(id, [...(found.get(id) ?? []), `${folder}/${file}`]);
    }
  }
  return found;
}

const killing = (id: string) =>
  mutants.filter(({ invariant = '' }) => [...invariant.matchAll(idPattern)].some(([named]) => named === id));

function chapter(title: string, families: readonly string[], tests: ReturnType<typeof testsById>): string {
  const rows = Object.entries(invariants)
    .filter(([id]) => families.includes(id.replace(/-\d+$/, '')))
    .map(([id, sentence]) => {
      const modules = properties.filter((property) => property.invariants.includes(id));
      const cells = [
        id,
        sentence,
        modules.map(({ module }) => `\`${module}\``).join(', '),
        killing(id)
          .map(({ name }) => name)
          .join('; '),
        (tests.get(id) ?? []).map((file) => `\`${file}\``).join(', '),
      ];
      return `| ${cells.join(' | ')} |`;
    });
  return [
    `## ${title}`,
    '| id | what must hold | property | killed | tests |',
    '|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

function situations(): string {
  const rows = properties.map(
    ({ module, runs, sometimes }) =>
      `| \`${module}\` | ${runs.toLocaleString('en')} | ${sometimes.join('; ')} |`,
  );
  return [
    '## Situations',
    'A run of full size must have been in each of these, or it fails: what was never reached was never checked.',
    '',
    '| property | runs | must be reached |',
    '|---|---|---|',
    ...rows,
  ].join('\n');
}

function mutantRow({ name, story, killedBy, invariant = '' }: Mutant): string {
  return `| ${name} | ${story} | \`${killedBy}\` | ${invariant} |`;
}

function bugs(): string {
  return [
    '## Planted bugs',
    'Each changes one decision. One that no property finds fails the build.',
    '',
    '| bug | of whom | found by | as |',
    '|---|---|---|---|',
    ...mutants.map(mutantRow),
  ].join('\n');
}

/** The whole page. */
export function invariantsPage(): string {
  const tests = testsById();
  const tables = chapters.map(([title, families]) => chapter(title, families, tests));
  return `${[introduction, ...tables, situations(), bugs()].join('\n\n').replace(/\n{3,}/g, '\n\n')}\n`;
}
