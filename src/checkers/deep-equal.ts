/** Plain data held against each other: bytes by what they are, whatever class they come in, and absent as undefined. */

export function sameValue(found: unknown, expected: unknown): boolean {
  return differenceOf(found, expected, '') === undefined;
}

/** Where the two differ first, and how; undefined if they do not. `path` names what is compared. */
export function differenceOf(found: unknown, expected: unknown, path: string): string | undefined {
  if (Object.is(found, expected)) return undefined;
  if (found instanceof Uint8Array && expected instanceof Uint8Array) {
    return Buffer.compare(found, expected) === 0 ? undefined : tell(found, expected, path);
  }
  if (!isStructure(found) || !isStructure(expected) || Array.isArray(found) !== Array.isArray(expected)) {
    return tell(found, expected, path);
  }
  if (Array.isArray(found) && Array.isArray(expected) && found.length !== expected.length) {
    return tell(found, expected, path);
  }
  for (const name of new Set([...Object.keys(found), ...Object.keys(expected)])) {
    const difference = differenceOf(found[name], expected[name], `${path}.${name}`);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

function isStructure(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array);
}

function tell(found: unknown, expected: unknown, path: string): string {
  return `${path} is ${show(found)}, expected ${show(expected)}`;
}

function show(value: unknown): string {
  const text = JSON.stringify(value, (_name, part: unknown) => {
    if (part instanceof Uint8Array) return Buffer.from(part).toString('latin1');
    // A Buffer says itself in JSON before it comes here.
    if (isStructure(part) && part['type'] === 'Buffer')
      return Buffer.from(part['data'] as number[]).toString('latin1');
    return part;
  });
  return (text ?? 'nothing').slice(0, 300);
}
