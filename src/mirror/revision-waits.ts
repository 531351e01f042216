interface RevisionWait {
  readonly revision: number;
  resolve(): void;
  reject(error: unknown): void;
}

/** Who waits for a mirror to stand at a revision. In the order of revisions, in which they mostly come too. */
export class RevisionWaits {
  #waits: RevisionWait[] = [];

  get size(): number {
    return this.#waits.length;
  }

  /** `left` of the answer: it waits no longer. */
  add(revision: number): { readonly reached: Promise<void>; readonly leave: () => void } {
    let wait: RevisionWait | undefined;
    const reached = new Promise<void>((resolve, reject) => {
      wait = { revision, resolve, reject };
    });
    const added = wait as unknown as RevisionWait;
    const behind = this.#waits.findLastIndex((other) => other.revision <= revision);
    this.#waits.splice(behind + 1, 0, added);
    return {
      reached,
      leave: () => {
        const index = this.#waits.indexOf(added);
        if (index >= 0) this.#waits.splice(index, 1);
      },
    };
  }

  reached(revision: number): void {
    const [first] = this.#waits;
    if (first === undefined || first.revision > revision) return;
    const next = this.#waits.findIndex((wait) => wait.revision > revision);
    const done = this.#waits.splice(0, next < 0 ? this.#waits.length : next);
    for (const wait of done) wait.resolve();
  }

  fail(error: unknown): void {
    for (const wait of this.#waits.splice(0)) wait.reject(error);
  }
}
