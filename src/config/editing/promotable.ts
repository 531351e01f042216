import type { ConfigKeys } from '../keys.js';
import type { ReadStates } from './document-state.js';
import { assertFits } from './limits.js';
import type { ChangePlan } from './plan.js';
import { requestFor } from './request.js';
import { planPromotion } from './rollouts.js';
import { latest, longestAttribution, longestId, readLater } from './worst-case.js';

/**
 * Throws `request-too-large` or `too-many-operations` where a rollout that this plan begins, or lets grow, could not be promoted: that
 * carries each content four times, in the layer, in the history as before and after, and with the rollout that the history has.
 */
export function assertPromotable(keys: ConfigKeys, read: ReadStates, plan: ChangePlan): void {
  const { action, documents } = plan;
  if (action !== 'rollout' && action !== 'grow') return;
  const rollouts = new Map(documents.flatMap(({ name, rollout }) => (rollout ? [[name, rollout]] : [])));
  const [first] = rollouts.values();
  if (first === undefined) return;
  const later = readLater(read, ({ name, revisions }) => {
    const rollout = rollouts.get(name);
    const layer = (scope: string) => rollout?.layers.find((one) => one.scope === scope)?.base ?? 0;
    return { rollout, revisions: { ...revisions, layer, rollout: latest, head: latest, policy: latest } };
  });
  const promotion = planPromotion({ ...first, revision: latest }, later);
  const request = requestFor({ keys, read: later, plan: promotion, id: longestId, by: longestAttribution() });
  assertFits(request, 'promoting this rollout', 'roll out fewer layers, or less content, at a time');
}
