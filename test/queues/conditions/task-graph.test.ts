import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkedGraph, cycleIn, lacking, type TaskGraph } from '../../../src/queues/conditions/task-graph.js';
import { propertyRuns } from '../../support/property-runs.js';

const names = ['a', 'b', 'c', 'd', 'e'];
const graphs: fc.Arbitrary<TaskGraph> = fc.dictionary(
  fc.constantFrom(...names),
  fc.uniqueArray(fc.constantFrom(...names), { maxLength: 3 }),
);

/** All that come before a task, however far. */
function before(graph: TaskGraph, task: string): ReadonlySet<string> {
  const found = new Set<string>();
  const left = [...(graph[task] ?? [])];
  for (let name = left.pop(); name !== undefined; name = left.pop()) {
    if (found.has(name)) continue;
    found.add(name);
    left.push(...(graph[name] ?? []));
  }
  return found;
}

describe('a graph of tasks', () => {
  it('QUEUE-27 is refused exactly if a task comes before itself, and the circle is told', () => {
    fc.assert(
      fc.property(graphs, (graph) => {
        const cycle = cycleIn(graph);
        expect(cycle !== undefined).toBe(names.some((name) => before(graph, name).has(name)));
        if (cycle === undefined) return;
        expect(cycle[0]).toBe(cycle.at(-1));
        for (const [index, name] of cycle.slice(1).entries()) {
          expect(graph[cycle[index] ?? '']).toContain(name);
        }
      }),
      propertyRuns(1_000),
    );
  });

  it('may be as deep as it likes', () => {
    const chain = Object.fromEntries(
      Array.from({ length: 20_000 }, (_, index) => [`t${index + 1}`, [`t${index}`]]),
    );
    expect(cycleIn(chain)).toBeUndefined();
    expect(cycleIn({ ...chain, t0: ['t20000'] })?.length).toBe(20_002);
  });

  it('may have tasks that are named as properties of every object are', () => {
    const graph = checkedGraph(JSON.parse('{ "__proto__": ["constructor"], "toString": [] }'));
    expect(lacking(graph, '__proto__', () => false)).toEqual(['constructor']);
    expect(lacking(graph, 'constructor', () => false)).toEqual([]);
    expect(lacking(graph, 'hasOwnProperty', () => false)).toEqual([]);
  });

  it('is the same document however it was written down', () => {
    const one = checkedGraph({ b: ['c', 'a', 'c'], a: [] });
    expect(JSON.stringify(one)).toBe(JSON.stringify(checkedGraph({ a: [], b: ['a', 'c'] })));
  });
});
