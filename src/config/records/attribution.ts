import { text, wholeNumber } from './parsing.js';

/** Who did something, when by its own clock, and why. */
export interface Attribution {
  readonly author: string;
  readonly atMs: number;
  readonly reason: string;
}

export function attributionIn(fields: Readonly<Record<string, unknown>>): Attribution {
  return {
    author: text(fields['author']),
    atMs: wholeNumber(fields['atMs']),
    reason: text(fields['reason']),
  };
}
