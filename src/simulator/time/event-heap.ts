import type { SimulatedEvent } from './event-loop.js';

/** Events by their time, and in the order of their making where that is the same. */
export class EventHeap {
  readonly #events: SimulatedEvent[] = [];

  peek(): SimulatedEvent | undefined {
    return this.#events[0];
  }

  push(event: SimulatedEvent): void {
    const events = this.#events;
    let at = events.length;
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = events[parentAt] as SimulatedEvent;
      if (!isBefore(event, parent)) break;
      events[at] = parent;
      at = parentAt;
    }
    events[at] = event;
  }

  pop(): SimulatedEvent | undefined {
    const events = this.#events;
    const first = events[0];
    const last = events.pop();
    if (last !== undefined && events.length > 0) this.#sink(last);
    return first;
  }

  #sink(event: SimulatedEvent): void {
    const events = this.#events;
    const { length } = events;
    let at = 0;
    for (;;) {
      let childAt = 2 * at + 1;
      if (childAt >= length) break;
      let child = events[childAt] as SimulatedEvent;
      const right = events[childAt + 1];
      if (right !== undefined && isBefore(right, child)) {
        childAt += 1;
        child = right;
      }
      if (!isBefore(child, event)) break;
      events[at] = child;
      at = childAt;
    }
    events[at] = event;
  }
}

function isBefore(left: SimulatedEvent, right: SimulatedEvent): boolean {
  return left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order);
}
