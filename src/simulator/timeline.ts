/** A line of what happened, as people read it. */
export interface TimelineEntry {
  readonly atMs: number;
  readonly actor: string;
  readonly text: string;
}

/**
 * Who did what, and when, in true time. Kept only if it was asked for: making the texts costs more than what they tell
 * of. Two runs of one plan have the same lines, byte for byte.
 */
export class Timeline {
  readonly isRecording: boolean;
  readonly #entries: TimelineEntry[] = [];
  readonly #nowMs: () => number;

  constructor(isRecording: boolean, nowMs: () => number) {
    this.isRecording = isRecording;
    this.#nowMs = nowMs;
  }

  get entries(): readonly TimelineEntry[] {
    return this.#entries;
  }

  /** The text is made only if it is kept. */
  note(actor: string, text: () => string): void {
    if (this.isRecording) this.#entries.push({ atMs: this.#nowMs(), actor, text: text() });
  }

  get lines(): readonly string[] {
    return this.#entries.map(
      ({ atMs, actor, text }) => `${atMs.toFixed(3).padStart(12)} ${actor.padEnd(12)} ${text}`,
    );
  }

  /** A short fingerprint of all lines: equal for equal runs. */
  hash(): string {
    let high = 0xdeadbeef;
    let low = 0x41c6ce57;
    for (const line of this.lines) {
      for (let index = 0; index <= line.length; index += 1) {
        const code = index < line.length ? line.charCodeAt(index) : 10;
        high = Math.imul(high ^ code, 2_654_435_761);
        low = Math.imul(low ^ code, 1_597_334_677);
      }
    }
    return (high >>> 0).toString(16).padStart(8, '0') + (low >>> 0).toString(16).padStart(8, '0');
  }
}
