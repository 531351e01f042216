import type { StandardSchemaV1 } from '@standard-schema/spec';
import { invalidArgument, QuorateError, shown } from '../errors.js';
import { checkCodec, checkSchema, Payloads } from '../payload/index.js';
import { bytesOf, type Codec, checkName, jsonCodec, textOf } from '../store/index.js';
import { checkObject } from './arguments.js';
import { mergePatch } from './merge-patch.js';
import { checkNesting, jsonOfGiven } from './nesting.js';
import { baseScope, checkScope, type Scope, scopesOf } from './scope.js';

export interface ConfigDocumentOptions<T> {
  /**
   * What the document must be, in any library of standardschema.dev (Zod, Valibot, ArkType…). Checked before a change is written, of
   * what every reader would be given; and again by every reader, to whom what the schema makes of it is handed. It may be asynchronous.
   */
  schema?: StandardSchemaV1<unknown, T> | undefined;
  /** Default: JSON, of at most 1,000 arrays and objects within each other. A document with a codec of its own is not merged: its layer nearest to the reader is the whole. */
  codec?: Codec<T> | undefined;
}

/** What an overlay says of a document: the fields that differ, null for those that are not to be there (RFC 7396). */
export type ConfigPatch<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { readonly [Name in keyof T]?: ConfigPatch<T[Name]> | null }
    : T;

export interface EditOptions {
  /** Revision that the layer must be of, as it was read; 0: it must not be there. Default: whatever it is. */
  expected?: number | undefined;
}

/** A change of one layer of one document, to be handed to an editor. */
export interface ConfigEdit {
  readonly document: ConfigDocument<unknown>;
  readonly scope: Scope;
  readonly expected: number | undefined;
  /** Undefined: the layer is removed. Rejects where the schema, or the codec, refuses the content. */
  readonly bytes: () => Promise<Uint8Array | undefined>;
}

/** A document of a configuration: its name, and what it must be. Plain data: it may be shared, and belongs to no client. */
export class ConfigDocument<T> {
  readonly name: string;
  /** Whether layers are merged field by field. */
  readonly isMerged: boolean;
  readonly #payloads: Payloads<T>;

  constructor(name: string, options: ConfigDocumentOptions<T> = {}) {
    checkName(name, 'document name');
    if (typeof options !== 'object' || options === null) {
      throw invalidArgument(
        `options are of type ${typeof options}`,
        'an object with schema or codec, or none',
      );
    }
    const { schema, codec } = options;
    if (codec !== undefined) checkCodec(codec);
    checkSchema(schema);
    this.name = name;
    this.isMerged = codec === undefined;
    this.#payloads = new Payloads({
      ...{ owner: `document "${name}"`, codec: codec ?? jsonCodec<T>(), schema },
    });
  }

  /** Sets the base: what all readers have, but for what overlays say. */
  set(content: T, options: EditOptions = {}): ConfigEdit {
    return this.#edit(baseScope, options, () => this.#payloads.encode(content));
  }

  /** Sets the overlay of an environment, or of a cluster in it. For a document that is not merged `patch` is the whole content. */
  overlay(scope: Scope, patch: ConfigPatch<T>, options: EditOptions = {}): ConfigEdit {
    checkScope(scope);
    if (scope === baseScope) {
      throw invalidArgument('the scope of an overlay is empty', 'a scope; set() is for the base');
    }
    return this.#edit(scope, options, async () =>
      this.isMerged ? bytesOf(jsonOfGiven('a patch', patch)) : this.#payloads.encode(patch as T),
    );
  }

  /** Removes a layer; without a scope, the base. */
  remove(options: EditOptions & { scope?: Scope | undefined } = {}): ConfigEdit {
    checkObject(options, 'options', 'an object with scope or expected, or none');
    const { scope = baseScope } = options;
    checkScope(scope);
    return this.#edit(scope, options, async () => undefined);
  }

  /** What a reader is given. Throws `codec`, or rejects with it where the schema takes its time. */
  decode(bytes: Uint8Array): T | Promise<T> {
    if (this.isMerged) checkNesting(`document "${this.name}"`, bytes);
    return this.#payloads.decode(bytes);
  }

  /**
   * The content that readers of a scope are given of these layers; undefined where none of them is theirs. Throws `codec` for a
   * layer that is no JSON, or nested too deeply, where layers are merged.
   */
  contentFor(scope: Scope, layers: ReadonlyMap<Scope, Uint8Array>): Uint8Array | undefined {
    const theirs = scopesOf(scope).filter((one) => layers.has(one));
    const last = theirs.at(-1);
    if (last === undefined) return undefined;
    if (!this.isMerged || last === baseScope) return layers.get(last);
    let merged: unknown;
    for (const one of theirs) {
      const content = jsonOf(this.name, layers.get(one) as Uint8Array);
      merged = one === baseScope ? content : mergePatch(merged, content);
    }
    return bytesOf(JSON.stringify(merged));
  }

  /** The content of a layer for people and for differences: a JSON value, or bytes. */
  readable(bytes: Uint8Array | undefined): unknown {
    if (bytes === undefined || !this.isMerged) return bytes;
    try {
      return jsonOf(this.name, bytes);
    } catch {
      return bytes;
    }
  }

  #edit(scope: Scope, options: EditOptions, bytes: ConfigEdit['bytes']): ConfigEdit {
    checkObject(options, 'options', 'an object with expected, or none');
    const { expected } = options;
    if (expected !== undefined && !(Number.isSafeInteger(expected) && expected >= 0)) {
      throw invalidArgument(`expected is ${shown(expected)}`, 'a revision, 0, or none');
    }
    return { document: this as ConfigDocument<unknown>, scope, expected, bytes };
  }
}

function jsonOf(name: string, bytes: Uint8Array): unknown {
  checkNesting(`a layer of document "${name}"`, bytes);
  try {
    return JSON.parse(textOf(bytes));
  } catch (cause) {
    throw new QuorateError('codec', `a layer of document "${name}" is no JSON`, { cause });
  }
}
