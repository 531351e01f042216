/**
 * The code in which HTTP/2 servers shorten the text of headers (RFC 7541, appendix B). It is canonical: of codes of one
 * length the first belongs to the smallest symbol, and each length goes on where the one before it ended. So the
 * lengths are all there is to know.
 */
import { connectionError, errorCode } from './frames.js';

/** How many bits stand for each byte, 0 to 255. */
// biome-ignore format: a table
const lengths: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

const longest = 30;
/** What may be left over at the end: fewer than eight bits, all set. */
const longestPadding = 7;

/** The codes of one length: the first, how many there are, and where their symbols begin. */
interface CodeLength {
  readonly first: number;
  readonly count: number;
  readonly offset: number;
}

const symbols = lengths.map((_, symbol) => symbol).sort((a, b) => lengthOf(a) - lengthOf(b) || a - b);
const codeLengths: readonly CodeLength[] = codesByLength();

function lengthOf(symbol: number): number {
  return lengths[symbol] ?? 0;
}

function codesByLength(): CodeLength[] {
  const table: CodeLength[] = [];
  let first = 0;
  let offset = 0;
  for (let length = 0; length <= longest; length += 1) {
    const count = lengths.filter((bits) => bits === length).length;
    table.push({ first, count, offset });
    first = (first + count) * 2;
    offset += count;
  }
  return table;
}

/** The text, one character for each byte. */
export function decodeHuffman(bytes: Buffer): string {
  let text = '';
  let code = 0;
  let length = 0;
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit -= 1) {
      code = code * 2 + ((byte >>> bit) & 1);
      length += 1;
      const codes = codeLengths[length];
      if (codes === undefined) throw connectionError(errorCode.compression, 'a header has no such code');
      if (code - codes.first < codes.count) {
        text += String.fromCharCode(symbols[codes.offset + code - codes.first] ?? 0);
        code = 0;
        length = 0;
      }
    }
  }
  if (length > longestPadding || code !== 2 ** length - 1)
    throw connectionError(errorCode.compression, 'a header ends within a code');
  return text;
}
