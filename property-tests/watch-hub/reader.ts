import { checkWatch, type History, type WatchCounts, type WatchReport } from '../../src/checkers/index.js';
import { broken } from '../../src/checkers/sentences.js';
import type { Scope } from './workload.js';

/** Who reads a watch, and everything that it was told. */
export class Reader {
  readonly name: string;
  readonly scope: Scope;
  readonly kind: 'resuming' | 'from-now' | 'shared';
  readonly fromRevision: number;
  readonly reports: WatchReport[] = [];
  /** It has left by itself, or its process is dead: nothing may come any more. */
  hasLeft = false;
  #position = 0;

  constructor(name: string, scope: Scope, kind: Reader['kind'], fromRevision = 0) {
    this.name = name;
    this.scope = scope;
    this.kind = kind;
    this.fromRevision = fromRevision;
  }

  /** Its watch stands open, for all it knows. */
  get isOpen(): boolean {
    const last = this.reports.at(-1)?.type;
    return last === 'opened' || last === 'events' || last === 'progress';
  }

  /** Its watch has ended, for all it knows. */
  get hasEnded(): boolean {
    const last = this.reports.at(-1)?.type;
    return last === 'failed' || last === 'compacted';
  }

  /** It was told of everything up to here, or of a gap. */
  get position(): number {
    return this.isOpen ? this.#position : 0;
  }

  take(report: WatchReport): void {
    if (this.hasLeft) broken('WATCH-4', `${this.name} was told of ${report.type} after it had left`);
    this.reports.push(report);
    const isNews = report.type === 'events' || (report.type === 'opened' && this.#startsAfresh());
    if (isNews) this.#position = Math.max(this.#position, report.revision);
  }

  /** What is below the revision at which its watch has just opened will not follow. */
  #startsAfresh(): boolean {
    return this.kind !== 'resuming' || (this.fromRevision === 0 && this.reports.length === 1);
  }

  check(history: History, completeTo: number | undefined): WatchCounts {
    const { range, without } = this.scope;
    return checkWatch({
      ...{ history, range, kind: this.kind, reports: this.reports, reader: this.name },
      ...(this.fromRevision > 0 ? { fromRevision: this.fromRevision } : {}),
      ...(without === undefined ? {} : { without }),
      ...(completeTo === undefined || this.hasLeft ? {} : { completeTo }),
    });
  }
}
