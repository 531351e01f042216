import { type Attribution, attributionIn } from './attribution.js';
import { fieldsOf, list, text } from './parsing.js';

/** What was approved, and by whom. */
export interface ReviewedProposal extends Attribution {
  readonly id: string;
  readonly approvals: readonly Attribution[];
}

export function proposalIn(fields: Readonly<Record<string, unknown>>): ReviewedProposal {
  const approvals = list(fields['approvals']).map((approval) => attributionIn(fieldsOf(approval)));
  return { ...attributionIn(fields), id: text(fields['id']), approvals };
}
