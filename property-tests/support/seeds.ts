import { execFileSync } from 'node:child_process';

const seedWithoutGit = 20_240_229;

/** A seed for a part of what `seed` is for. Non-negative, below 2^31. */
export function seedOf(seed: number, part: string): number {
  let mixed = 0x811c9dc5;
  for (const character of `${seed} ${part}`) {
    mixed = Math.imul(mixed ^ (character.codePointAt(0) ?? 0), 0x01000193);
  }
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) & 0x7fffffff;
}

/** The seed of the commit, so that what fails in one place fails in every other; a fixed one outside a repository. */
export function defaultSeed(folder: string): { readonly seed: number; readonly origin: string } {
  try {
    const commit = execFileSync('git', ['rev-parse', 'HEAD'], {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
    return {
      seed: Number.parseInt(commit.slice(0, 8), 16) & 0x7fffffff,
      origin: `of commit ${commit.slice(0, 10)}`,
    };
  } catch {
    return { seed: seedWithoutGit, origin: 'fixed, for want of a repository' };
  }
}
