import type { StandardSchemaV1 } from '@standard-schema/spec';
import { ConfigDocument } from '../../src/config/index.js';
import { type Runtime, sleep } from '../../src/runtime/index.js';

/** A document of these properties: what it was set to, and what overlays add to that. */
export interface Tagged {
  readonly tag: string;
  readonly over?: string;
}

export type Documents = Readonly<Record<'a' | 'b', ConfigDocument<Tagged>>>;

export const documentNames = ['a', 'b'] as const;

export function isTagged(value: unknown): value is Tagged {
  return typeof value === 'object' && value !== null && 'tag' in value && typeof value.tag === 'string';
}

/** `schemaMs`: what a look of the schema takes. */
export function documentsOf(runtime: Runtime, schemaMs: number): Documents {
  const result = (value: unknown): StandardSchemaV1.Result<Tagged> =>
    isTagged(value) ? { value } : { issues: [{ message: 'no tag' }] };
  const validate = (value: unknown) =>
    schemaMs === 0 ? result(value) : sleep(runtime, schemaMs).then(() => result(value));
  const schema: StandardSchemaV1<unknown, Tagged> = {
    '~standard': { version: 1, vendor: 'quorate', validate },
  };
  return { a: new ConfigDocument('a', { schema }), b: new ConfigDocument('b', { schema }) };
}
