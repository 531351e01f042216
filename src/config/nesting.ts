import { invalidArgument, QuorateError } from '../errors.js';

/** Levels of arrays and objects within each other that a document may have. What walks through one may call itself as often. */
export const deepestNesting = 1_000;

const [quote, backslash, openArray, closeArray, openObject, closeObject] = Buffer.from('"\\[]{}');

/** Throws `codec` for JSON that is nested deeper. Looks at the bytes, so that nothing is built of what is refused. */
export function checkNesting(what: string, json: Uint8Array): void {
  let depth = 0;
  let isText = false;
  for (let index = 0; index < json.length; index += 1) {
    const byte = json[index];
    if (isText) {
      if (byte === backslash) index += 1;
      else if (byte === quote) isText = false;
    } else if (byte === quote) isText = true;
    else if (byte === openArray || byte === openObject) {
      depth += 1;
      if (depth > deepestNesting) throw tooDeep(what);
    } else if (byte === closeArray || byte === closeObject) depth -= 1;
  }
}

/** The JSON of a value that a caller gave. Throws `invalid-argument` for what has none, or is nested deeper. */
export function jsonOfGiven(what: string, value: unknown): string {
  const accepted = `what has a JSON form of at most ${deepestNesting} levels`;
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    throw invalidArgument(`${what} has no JSON form: ${String(error)}`, accepted);
  }
  if (text === undefined) throw invalidArgument(`${what} is of type ${typeof value}`, accepted);
  return text;
}

function tooDeep(what: string): QuorateError {
  const message = `${what} has more than ${deepestNesting} arrays and objects within each other`;
  return new QuorateError('codec', message, { details: { limit: deepestNesting } });
}
