import type { ServerDuplexStream } from '@grpc/grpc-js';
import { type Refusal, streamError } from './refusals.js';

type OpenStream = Pick<ServerDuplexStream<unknown, unknown>, 'emit' | 'on'>;

/** The streams that are open, so that closing the server can end each with a status. */
export class OpenStreams {
  readonly #open = new Set<OpenStream>();

  add(stream: OpenStream): void {
    this.#open.add(stream);
    for (const event of ['close', 'cancelled', 'finish'] as const) {
      stream.on(event, () => this.#open.delete(stream));
    }
  }

  endAll(refused: Refusal): void {
    const streams = [...this.#open];
    this.#open.clear();
    for (const stream of streams) stream.emit('error', streamError(refused));
  }
}
