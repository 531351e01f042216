import type { StandardSchemaV1 } from '@standard-schema/spec';
import { invalidArgument, QuorateError } from '../errors.js';
import type { Codec } from '../store/index.js';

/** etcd refuses requests above 1.5 MiB; the rest is room for the lane, the key, the gate and the traits. */
const largestPayloadBytes = 1_572_864 - 8_192;

/** What stands in a key for a value of a caller's, and back: a codec, and a schema before it and behind it. */
export class Payloads<T> {
  readonly #owner: string;
  readonly #codec: Codec<T>;
  readonly #schema: StandardSchemaV1<unknown, T> | undefined;

  /** `owner`: whose they are, for messages: `queue "jobs"`. */
  constructor(options: {
    owner: string;
    codec: Codec<T>;
    schema: StandardSchemaV1<unknown, T> | undefined;
  }) {
    this.#owner = options.owner;
    this.#codec = options.codec;
    this.#schema = options.schema;
  }

  /** The bytes of each. Throws, or rejects where the schema takes its time. */
  encodeAll(payloads: readonly T[]): readonly Uint8Array[] | Promise<readonly Uint8Array[]> {
    const schema = this.#schema;
    if (schema === undefined) return payloads.map((payload) => this.#bytesOf(payload));
    const checks = payloads.map((payload) => validated(schema, payload));
    const encodeIfValid = (results: readonly StandardSchemaV1.Result<T>[]) => {
      for (const { issues } of results) if (issues !== undefined) throw this.#refused(issues);
      return payloads.map((payload) => this.#bytesOf(payload));
    };
    if (checks.some(isPromise)) return Promise.all(checks).then(encodeIfValid);
    return encodeIfValid(checks as readonly StandardSchemaV1.Result<T>[]);
  }

  /** The same of one. Rejects as {@link encodeAll} does. */
  async encode(payload: T): Promise<Uint8Array> {
    const [bytes] = await this.encodeAll([payload]);
    return bytes as Uint8Array;
  }

  /** What its taker gets. Throws `codec`, or rejects with it where the schema takes its time. */
  decode(bytes: Uint8Array): T | Promise<T> {
    const payload = this.#decode(bytes);
    const schema = this.#schema;
    if (schema === undefined) return payload;
    const check = validated(schema, payload);
    return isPromise(check) ? check.then((result) => this.#output(result)) : this.#output(check);
  }

  #bytesOf(payload: T): Uint8Array {
    let bytes: Uint8Array;
    try {
      bytes = this.#codec.encode(payload);
    } catch (cause) {
      throw new QuorateError('codec', `the codec of ${this.#owner} cannot encode a payload`, { cause });
    }
    if (!(bytes instanceof Uint8Array)) {
      throw new QuorateError('codec', `what the codec of ${this.#owner} makes of a payload is no Uint8Array`);
    }
    if (bytes.length > largestPayloadBytes) {
      throw new QuorateError(
        'request-too-large',
        `a payload of ${bytes.length} bytes is more than one request can carry: at most ${largestPayloadBytes}`,
        { details: { bytes: bytes.length, limit: largestPayloadBytes } },
      );
    }
    return bytes;
  }

  #decode(bytes: Uint8Array): T {
    try {
      return this.#codec.decode(bytes);
    } catch (cause) {
      throw new QuorateError('codec', `the codec of ${this.#owner} cannot decode what stands there`, {
        cause,
      });
    }
  }

  #output(result: StandardSchemaV1.Result<T>): T {
    if (result.issues === undefined) return result.value;
    const message = `what stands in ${this.#owner} is not what its schema asks for: ${inWords(result.issues)}`;
    throw new QuorateError('codec', message, { details: { issues: plain(result.issues) } });
  }

  #refused(issues: readonly StandardSchemaV1.Issue[]): QuorateError {
    const message = `a payload for ${this.#owner} is not what its schema asks for: ${inWords(issues)}`;
    return new QuorateError('invalid-argument', message, { details: { issues: plain(issues) } });
  }
}

/** Refuses with `invalid-argument` what is no codec. */
export function checkCodec(codec: unknown): void {
  const { encode, decode } = (codec ?? {}) as Partial<Codec<unknown>>;
  if (typeof encode === 'function' && typeof decode === 'function') return;
  throw invalidArgument('codec is no Codec', 'an object with the functions encode and decode, or none');
}

/** Refuses with `invalid-argument` what is no Standard Schema. */
export function checkSchema(schema: unknown): void {
  if (schema === undefined) return;
  const isObject = (typeof schema === 'object' && schema !== null) || typeof schema === 'function';
  const standard = isObject ? (schema as Partial<StandardSchemaV1>)['~standard'] : undefined;
  if (standard?.version === 1 && typeof standard.validate === 'function') return;
  throw invalidArgument(
    'schema is no Standard Schema',
    'a schema of version 1 of standardschema.dev, or none',
  );
}

/** A schema that throws, or answers what is no result, has found its value wrong in a way of its own: nothing passes unseen. */
function validated<T>(
  schema: StandardSchemaV1<unknown, T>,
  value: unknown,
): StandardSchemaV1.Result<T> | Promise<StandardSchemaV1.Result<T>> {
  const failed = (error: unknown) => ({ issues: [{ message: `the schema failed: ${String(error)}` }] });
  const resultOf = (answer: unknown): StandardSchemaV1.Result<T> => {
    const isResult =
      typeof answer === 'object' && answer !== null && ('value' in answer || 'issues' in answer);
    return isResult ? (answer as StandardSchemaV1.Result<T>) : failed('it gave no result');
  };
  try {
    const answer: unknown = schema['~standard'].validate(value);
    return isThenable(answer) ? Promise.resolve(answer).then(resultOf, failed) : resultOf(answer);
  } catch (error) {
    return failed(error);
  }
}

/** Promises of other makes and realms too. */
function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  );
}

function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return value instanceof Promise;
}

/** Where, as text, and what. */
function plain(issues: readonly StandardSchemaV1.Issue[]): readonly { path: string; message: string }[] {
  return issues.map(({ path = [], message }) => {
    const steps = path.map((step) => String(typeof step === 'object' ? step.key : step));
    return { path: steps.join('.'), message };
  });
}

function inWords(issues: readonly StandardSchemaV1.Issue[]): string {
  return plain(issues)
    .slice(0, 3)
    .map(({ path, message }) => (path === '' ? message : `${path}: ${message}`))
    .join('; ');
}
