import { textOf } from '../../store/index.js';
import { fieldsOf, text } from './parsing.js';

/** The bytes of a content within a record: as text where they are one, for people who look at the keys. null: none. */
export type StoredContent = { readonly text: string } | { readonly base64: string } | null;

export function storedContent(bytes: Uint8Array | undefined): StoredContent {
  if (bytes === undefined) return null;
  const asText = textOf(bytes);
  if (Buffer.from(asText, 'utf8').equals(bytes)) return { text: asText };
  return { base64: Buffer.from(bytes).toString('base64') };
}

/** Throws for what is no content. */
export function contentBytes(stored: unknown): Uint8Array | undefined {
  if (stored === null) return undefined;
  const fields = fieldsOf(stored);
  if (typeof fields['base64'] === 'string') return new Uint8Array(Buffer.from(fields['base64'], 'base64'));
  return new Uint8Array(Buffer.from(text(fields['text']), 'utf8'));
}
