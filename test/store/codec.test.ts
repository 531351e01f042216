import { describe, expect, it } from 'vitest';
import { bytesOf, jsonCodec, textOf } from '../../src/store/index.js';

describe('jsonCodec', () => {
  it('gives back what JSON keeps', () => {
    const codec = jsonCodec<{ name: string; tags: string[]; none: null }>();
    const value = { name: 'grüße', tags: ['a', '☃'], none: null };
    expect(codec.decode(codec.encode(value))).toEqual(value);
    expect(textOf(codec.encode(value))).toBe(JSON.stringify(value));
  });

  it.each([undefined, () => 1, Symbol('s')])('refuses a value without a JSON form: %s', (value) => {
    expect(() => jsonCodec<unknown>().encode(value)).toThrow(TypeError);
  });

  it('refuses bytes that are no JSON', () => {
    expect(() => jsonCodec<unknown>().decode(bytesOf('{'))).toThrow(SyntaxError);
  });
});
