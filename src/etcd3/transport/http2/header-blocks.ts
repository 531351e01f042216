import { connectionError, errorCode, flag, frameType, unpadded } from './frames.js';
import { HeaderDecoder, type Headers } from './header-decoder.js';

export interface ReceivedHeaders {
  readonly streamId: number;
  readonly headers: Headers;
  /** They are the last of the stream. */
  readonly end: boolean;
}

/** All fragments of one block together: far more than etcd says, and no burden. */
const longestBlockBytes = 256 * 1024;

/** Puts headers together that may come in several frames, and reads them. */
export class HeaderBlocks {
  readonly #decoder = new HeaderDecoder();
  /** The block whose continuation is to come. */
  #open: { readonly streamId: number; readonly end: boolean; readonly parts: Buffer[] } | undefined;
  #bytes = 0;

  /** Between the frames of a block no other may come. */
  checkOrder(type: number, streamId: number): void {
    const continues = type === frameType.continuation;
    if (continues === (this.#open !== undefined) && (!continues || this.#open?.streamId === streamId)) return;
    throw connectionError(errorCode.protocol, 'the server breaks off its headers, or goes on with none');
  }

  /** Takes a frame of headers, or their continuation; undefined until the block is whole. */
  read(type: number, flags: number, streamId: number, payload: Buffer): ReceivedHeaders | undefined {
    const part = type === frameType.headers ? unpadded(type, flags, payload) : payload;
    const block = this.#open ?? { streamId, end: (flags & flag.endStream) !== 0, parts: [] };
    block.parts.push(part);
    this.#bytes += part.length;
    if (this.#bytes > longestBlockBytes) {
      throw connectionError(errorCode.enhanceYourCalm, 'the server sends too large headers');
    }
    if (!(flags & flag.endHeaders)) {
      this.#open = block;
      return undefined;
    }
    this.#open = undefined;
    this.#bytes = 0;
    const whole = block.parts.length === 1 ? part : Buffer.concat(block.parts);
    return { streamId, headers: this.#decoder.decode(whole), end: block.end };
  }
}
