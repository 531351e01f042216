import { levelOf } from '../keys.js';
import type { Droppable } from './credit-messages.js';

/** The oldest of these in order, of the least urgent level first where there are levels. They come about in order as it is. */
export function oldestOf(jobs: Iterable<Droppable>, most: number): readonly Droppable[] {
  const oldest: Droppable[] = [];
  for (const job of jobs) {
    const last = oldest.at(-1);
    if (oldest.length >= most && (last === undefined || !isOlder(job, last))) continue;
    let at = oldest.length;
    while (at > 0 && isOlder(job, oldest[at - 1] as Droppable)) at -= 1;
    oldest.splice(at, 0, job);
    if (oldest.length > most) oldest.pop();
  }
  return oldest.map(({ id, create, generation }) => ({ id, create, generation }));
}

function isOlder({ id }: Droppable, { id: other }: Droppable): boolean {
  const [level, otherLevel] = [levelOf(id), levelOf(other)];
  return level === otherLevel ? id < other : level > otherLevel;
}
