import type { Runtime, Timer } from '../../../runtime/index.js';
import { defaultWindow } from './frames.js';

/** What gRPC's servers in Go put into the pings by which they measure bandwidth, and into no other. */
const probePayload = Buffer.from([2, 4, 16, 16, 9, 14, 7, 7]);

const answerAfterMs = 100;

/** Who has sent so much since the last answer may soon be short of window. */
const bulkBytes = defaultWindow / 2;

/**
 * Answers the pings by which a server measures how much may be on its way to it, to allow larger windows.
 *
 * A server has one such ping out at a time, and sends the next with the first data that comes after the answer. Answered at once,
 * that is one to every request of a client that sends one after the other: a packet each way, and it wakes the client a second
 * time before the reply does. Between processes that hand a lock on, this was a third of all processor time. So a connection of small
 * requests is a slow one: the answer is held back for a while. Windows matter where there is much to send, and there it leaves as soon as
 * that shows. Other pings (is anybody there? have you seen that I go away?) are none of these, and are answered at once.
 */
export class BandwidthProbe {
  readonly #runtime: Runtime;
  readonly #answer: (payload: Buffer) => void;
  #sentBytes = 0;
  #held: Buffer | undefined;
  #timer: Timer | undefined;

  constructor(runtime: Runtime, answer: (payload: Buffer) => void) {
    this.#runtime = runtime;
    this.#answer = answer;
  }

  /** The server pings. */
  pinged(payload: Buffer): void {
    if (!probePayload.equals(payload)) {
      this.#answer(payload);
      return;
    }
    this.#release();
    // The payload is a view of what was read, which is gone by then.
    this.#held = probePayload;
    if (this.#sentBytes >= bulkBytes) this.#release();
    else this.#timer = this.#runtime.setTimer(answerAfterMs, () => this.#release(), { background: true });
  }

  /** So many bytes of data are about to leave. */
  sent(bytes: number): void {
    this.#sentBytes += bytes;
    if (this.#held !== undefined && this.#sentBytes >= bulkBytes) this.#release();
  }

  stop(): void {
    this.#held = undefined;
    this.#timer?.cancel();
  }

  #release(): void {
    const held = this.#held;
    if (held === undefined) return;
    this.stop();
    this.#sentBytes = 0;
    this.#answer(held);
  }
}
