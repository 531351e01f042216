import type { ConfigDocument } from './document.js';
import type { RolledLayer } from './records/rollout.js';
import { baseScope, type Scope } from './scope.js';

export type Layers = ReadonlyMap<Scope, Uint8Array>;

/** The layers as those have them who take the rollout: overlays of scopes that it does not name lie on top of it as ever. */
export function rolledOut(layers: Layers, rolled: readonly Pick<RolledLayer, 'scope' | 'content'>[]): Layers {
  const replaced = new Map(layers);
  for (const { scope, content } of rolled) {
    if (content === undefined) replaced.delete(scope);
    else replaced.set(scope, content);
  }
  return replaced;
}

/**
 * Asks the schema about everything that any reader would be given: what comes of the base alone, and of each overlay that there
 * is. A reader of a scope without an overlay has what the one above it has. Rejects with `invalid-argument`.
 */
export async function checkForAll(
  document: ConfigDocument<unknown>,
  layers: Layers,
  refused: (scope: Scope, error: unknown) => Error,
): Promise<void> {
  for (const scope of new Set([baseScope, ...layers.keys()])) {
    try {
      const content = document.contentFor(scope, layers);
      if (content !== undefined) await document.decode(content);
    } catch (error) {
      throw refused(scope, error);
    }
  }
}
