import { milliseconds } from '../../src/checkers/evidence.js';
import { History } from '../../src/checkers/index.js';
import { broken } from '../../src/checkers/sentences.js';
import type { Hold } from '../../src/locks/index.js';
import type { World } from '../support/world.js';

/** Longer than the slow path of a watch, a few messages and a read; much shorter than 0.75 TTL, after which who waits looks again. */
const handOverMs = 700;

interface Turn {
  readonly place: string;
  readonly token: number;
  readonly atMs: number;
  /** From then on its holder does what gives the lock to the next. */
  endedAtMs: number;
}

/** LOCK-3, where nothing goes wrong: notes whose turn it was and when, to be held against the history from here on. */
export class HandOvers {
  readonly #world: World;
  readonly #since: number;
  readonly #turns: Turn[] = [];

  constructor(world: World) {
    this.#world = world;
    this.#since = world.simulation.engine.revision;
  }

  /** Call what it answers as the holder gives the lock up, or has learned that it lost it. */
  granted(hold: Hold): () => void {
    const { simulation } = this.#world;
    const turn = { place: hold.guard().key, token: hold.token, atMs: simulation.nowMs, endedAtMs: 0 };
    this.#turns.push(turn);
    return () => {
      turn.endedAtMs = simulation.nowMs;
    };
  }

  /** The next in line learned of its turn by being told, and not by looking again. */
  check(): void {
    const { history: all } = this.#world.simulation;
    const history = new History(all.filter(({ revision }) => revision > this.#since));
    const turns = [...this.#turns].sort((one, other) => one.token - other.token);
    for (const [index, { place, token, atMs }] of turns.entries()) {
      const before = turns[index - 1];
      if (before === undefined || before.place === place) continue;
      const mine = history.lifeAt(place, Math.floor(token / 1_024));
      const last = history.lifeAt(before.place, Math.floor(before.token / 1_024));
      const freeAtMs = Math.max(last?.toMs ?? 0, mine?.fromMs ?? 0, before.endedAtMs);
      if (atMs - freeAtMs <= handOverMs) continue;
      broken(
        'LOCK-3',
        `the lock was free, and ${place} first in line, ${milliseconds(atMs - freeAtMs)} before it was granted`,
      );
    }
  }
}
