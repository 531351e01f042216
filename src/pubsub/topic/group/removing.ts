/**
 * The end of a group: its cursors, its dead letters and what else is left of it, in one revision.
 *
 *     IF create(g/<group>/m/*) = 0, create(g/<group>/o/*) = 0 THEN delete g/<group>/, c/<group>/, D/<group>/ ELSE get g/<group>/m/
 *
 * Who was a member, or owned a partition, when the request came stays one, and it is refused. Who joins after it makes the group anew:
 * joining compares that a cursor which it has seen is still the one that it saw (joining.ts), so no member works without cursors. What
 * a dead owner sends late compares its owner's key, which is gone.
 *
 * *Reply lost*: the exactly-once store finds out; where it cannot, the caller is told `unknown`, and may call again. *This process
 * pauses*: it is decided by what is there when it arrives, and once nobody waits for it the store sees to it that it does not come long after.
 */
import { QuorateError } from '../../../errors.js';
import type { Client } from '../../../session/index.js';
import { compare, getPrefix, removePrefix, textOf, txnOf } from '../../../store/index.js';
import type { GroupKeys } from '../keys.js';

/** Named in the error. */
const mostNamed = 16;

/** Until `signal` fires. Answers whether there was anything of it. Throws `conflict` while it has members. */
export async function removeGroup(
  client: Client,
  group: GroupKeys,
  signal: AbortSignal,
  doing: string,
): Promise<boolean> {
  const request = txnOf({
    compare: [compare.create(group.members, 'equal', 0), compare.create(group.owners, 'equal', 0)],
    success: [group.watched, group.cursors, group.deadLetters].map(({ key }) => removePrefix(key)),
    failure: [getPrefix(group.members.key, { limit: mostNamed })],
  });
  const { succeeded, replies } = await client.store.txn(request, {
    timeoutMs: Number.POSITIVE_INFINITY,
    signal,
  });
  if (succeeded) return replies.some((reply) => reply.type === 'delete' && reply.deleted > 0);
  const [there] = replies;
  const members = there?.type === 'range' ? there.kvs.map(({ value }) => textOf(value)) : [];
  const who = members.length === 0 ? 'an owner whose session has not ended' : members.join(', ');
  throw new QuorateError(
    'conflict',
    `refused while ${doing}: it has members (${who}), which must leave first`,
    {
      details: { members },
    },
  );
}
