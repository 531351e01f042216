/** Which tasks come before which: each name with its direct predecessors. Pure. */
import { invalidArgument } from '../../errors.js';
import { checkName } from '../../store/index.js';

export type TaskGraph = Readonly<Record<string, readonly string[]>>;

/** Of the predecessors of a task, those that were not completed yet. */
export function lacking(
  graph: TaskGraph,
  task: string,
  isDone: (task: string) => boolean,
): readonly string[] {
  const predecessors = Object.hasOwn(graph, task) ? graph[task] : undefined;
  return predecessors?.filter((name) => !isDone(name)) ?? [];
}

/** Every task that it names. */
export function tasksOf(graph: TaskGraph): ReadonlySet<string> {
  return new Set(Object.entries(graph).flatMap(([task, predecessors]) => [task, ...predecessors]));
}

/** The same graph, names in order and each once. Throws `invalid-argument`, for a cycle with the tasks along it. */
export function checkedGraph(graph: unknown): TaskGraph {
  if (typeof graph !== 'object' || graph === null || Array.isArray(graph)) {
    throw invalidArgument('tasks is not an object', '{ task: [its predecessors] }, or none');
  }
  const entries = Object.entries(graph).map(([task, predecessors]: [string, unknown]) => {
    checkName(task, 'task');
    if (!Array.isArray(predecessors)) {
      throw invalidArgument(`the predecessors of task "${task}" are no array`, 'an array of names of tasks');
    }
    for (const name of predecessors) checkName(name, `a predecessor of task "${task}"`);
    return [task, [...new Set(predecessors as readonly string[])].sort()] as const;
  });
  const checked = Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
  const cycle = cycleIn(checked);
  if (cycle !== undefined) {
    throw invalidArgument(`tasks wait for each other: ${cycle.join(' after ')}`, 'a graph without cycles');
  }
  return checked;
}

/** The tasks along a cycle, the first one at the end again; undefined if there is none. Without recursion: graphs may be deep. */
export function cycleIn(graph: TaskGraph): readonly string[] | undefined {
  const finished = new Set<string>();
  for (const start of Object.keys(graph)) {
    const path: string[] = [];
    const onPath = new Set<string>();
    const left: { readonly task: string; readonly leaving: boolean }[] = [{ task: start, leaving: false }];
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      const { task, leaving } = next;
      if (leaving) {
        path.pop();
        onPath.delete(task);
        finished.add(task);
        continue;
      }
      if (onPath.has(task)) return [...path.slice(path.indexOf(task)), task];
      if (finished.has(task)) continue;
      path.push(task);
      onPath.add(task);
      left.push({ task, leaving: true });
      const predecessors = Object.hasOwn(graph, task) ? (graph[task] ?? []) : [];
      for (const name of predecessors) left.push({ task: name, leaving: false });
    }
  }
  return undefined;
}
