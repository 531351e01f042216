import type { Socket } from 'node:net';

const slabBytes = 64 * 1024;

/**
 * What is to be written to a socket. Whoever has something to send claims room and fills it; all that was claimed while
 * the process ran without a pause leaves as one write, once it pauses. So the frames of a request share a packet, and
 * so do requests that are made together.
 */
export class Outbox {
  readonly #socket: Socket;
  #slab = Buffer.allocUnsafeSlow(slabBytes);
  #from = 0;
  #to = 0;
  #scheduled = false;
  #writes = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** How often something was written: as long as it stays the same, nothing that was claimed since has left. */
  get writes(): number {
    return this.#writes;
  }

  /** Room of so many bytes, to be filled at once. */
  claim(bytes: number): Buffer {
    if (this.#slab.length - this.#to < bytes) {
      this.flush();
      this.#slab = Buffer.allocUnsafeSlow(Math.max(slabBytes, bytes));
      this.#from = 0;
      this.#to = 0;
    }
    const start = this.#to;
    this.#to += bytes;
    if (!this.#scheduled) {
      this.#scheduled = true;
      process.nextTick(flushBox, this);
    }
    return this.#slab.subarray(start, this.#to);
  }

  flush(): void {
    this.#scheduled = false;
    if (this.#to === this.#from || this.#socket.destroyed) return;
    const bytes = this.#slab.subarray(this.#from, this.#to);
    this.#from = this.#to;
    this.#writes += 1;
    this.#socket.write(bytes);
  }
}

function flushBox(box: Outbox): void {
  box.flush();
}
