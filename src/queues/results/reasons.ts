/** Reasons travel in records beside items that may be as large as a request can be. */
const longestReasonBytes = 1_024;

/** In words why something failed: the message of an error, or what was thrown, as far as it fits into a record. */
export function reasonOf(cause: unknown): string {
  try {
    const text: unknown = cause instanceof Error ? cause.message || cause.name : cause;
    return shortened(String(text));
  } catch {
    // What is thrown need not have a text.
    return 'no text says why';
  }
}

export function shortened(reason: string, mostBytes = longestReasonBytes): string {
  const bytes = Buffer.from(reason);
  if (bytes.length <= mostBytes) return reason;
  // A character that was cut in two is left out.
  return `${bytes.toString('utf8', 0, mostBytes - 4).replace(/\uFFFD+$/u, '')}…`;
}
