import type { SimulatedProcess } from '../../src/simulator/index.js';
import type { WatchItem } from '../../src/store/index.js';
import type { World } from './world.js';

export interface CutWatchesOptions {
  readonly world: World<{ readonly deedsAtCuts: boolean }>;
  readonly isHealed: () => boolean;
  /** What somebody does as the watch of a process is cut, and as it is open again, if the plan has that. */
  readonly onCut: (process: SimulatedProcess) => void;
  readonly onOpened: () => void;
}

/** Counts what befell the watches of processes that wait. */
export class CutWatches {
  readonly #options: CutWatchesOptions;
  /** The revisions then. */
  readonly #cutAt = new Map<SimulatedProcess, number>();

  constructor(options: CutWatchesOptions) {
    this.#options = options;
  }

  /** A process that waits is told this by its watch. */
  onItem(process: SimulatedProcess, { type }: WatchItem): void {
    const { world, isHealed, onCut, onOpened } = this.#options;
    const { engine } = world.simulation;
    const hasDeeds = world.workload.deedsAtCuts && !isHealed();
    if (type === 'interrupted') {
      world.reached('the watch of a waiting process was cut');
      this.#cutAt.set(process, engine.revision);
      if (hasDeeds) onCut(process);
    } else if (type === 'opened') {
      const cutAt = this.#cutAt.get(process);
      this.#cutAt.delete(process);
      if (cutAt === undefined) return;
      if (hasDeeds) onOpened();
      if (engine.compactRevision > cutAt) {
        world.reached('history was compacted while the watch of a waiting process was cut');
      }
    }
  }
}
