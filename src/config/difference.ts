import { invalidArgument, type QuorateError } from '../errors.js';
import { isObject } from './merge-patch.js';
import { deepestNesting, jsonOfGiven } from './nesting.js';

/** One difference between two contents. */
export interface ConfigDifference {
  /** Where: a JSON pointer (RFC 6901); empty for the whole. */
  readonly path: string;
  /** Absent: there was nothing. */
  readonly before?: unknown;
  /** Absent: there is nothing any more. */
  readonly after?: unknown;
}

/**
 * What differs, in the order of the fields: within objects field by field; arrays, bytes and all else as a whole. Throws `invalid-argument`
 * for what is nested deeper than a document may be, or has no JSON form.
 */
export function differencesBetween(before: unknown, after: unknown): readonly ConfigDifference[] {
  return [...differences('', before, after, 1)];
}

function* differences(
  path: string,
  before: unknown,
  after: unknown,
  depth: number,
): Generator<ConfigDifference> {
  if (depth > deepestNesting + 1) throw tooDeep();
  if (isFields(before) && isFields(after)) {
    for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
      const step = name.replaceAll('~', '~0').replaceAll('/', '~1');
      yield* differences(`${path}/${step}`, fieldOf(before, name), fieldOf(after, name), depth + 1);
    }
    return;
  }
  if (isSame(before, after)) return;
  yield {
    path,
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
  };
}

function fieldOf(object: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** Bytes are contents of a codec of its own, and have no fields. */
function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return isObject(value) && !isBytes(value);
}

function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array;
}

function isSame(one: unknown, other: unknown): boolean {
  if (isBytes(one) || isBytes(other)) {
    return isBytes(one) && isBytes(other) && Buffer.compare(one, other) === 0;
  }
  if (one === undefined || other === undefined) return one === other;
  return jsonOfGiven('a content', one) === jsonOfGiven('a content', other);
}

function tooDeep(): QuorateError {
  return invalidArgument(
    'the contents are nested too deeply to be compared',
    `what has at most ${deepestNesting} arrays and objects within each other`,
  );
}
