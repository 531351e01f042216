/** Cuts a sequence that goes wrong down to what it takes. */
import type { Op, TxnRequest } from '../../src/store/index.js';
import type { DrawnStep } from './steps.js';

export type Fails = (steps: readonly DrawnStep[]) => Promise<boolean>;

/** Leaves out steps, then parts of transactions, as long as it still fails and there is time. */
export async function shrink(
  steps: readonly DrawnStep[],
  fails: Fails,
  timeoutMs: number,
): Promise<readonly DrawnStep[]> {
  const deadline = performance.now() + timeoutMs;
  const inTime: Fails = async (candidate) => performance.now() < deadline && (await fails(candidate));
  let smallest = steps;
  for (let before = Number.POSITIVE_INFINITY; smallest.length < before; ) {
    before = smallest.length;
    smallest = await withoutSteps(smallest, inTime);
  }
  return withoutParts(smallest, inTime);
}

/** Leaves out halves, then quarters, down to single steps. */
async function withoutSteps(steps: readonly DrawnStep[], fails: Fails): Promise<readonly DrawnStep[]> {
  let kept = steps;
  for (let size = Math.ceil(kept.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let end = kept.length; end > 0; end -= size) {
      const candidate = kept.filter((_, index) => index < end - size || index >= end);
      if (candidate.length > 0 && (await fails(candidate))) kept = candidate;
    }
  }
  return kept;
}

async function withoutParts(steps: readonly DrawnStep[], fails: Fails): Promise<readonly DrawnStep[]> {
  let kept = steps;
  for (let index = 0; index < kept.length; index += 1) {
    for (let smaller = true; smaller; ) {
      smaller = false;
      for (const variant of variantsOf(kept[index])) {
        const candidate = kept.with(index, variant);
        if (!(await fails(candidate))) continue;
        kept = candidate;
        smaller = true;
        break;
      }
    }
  }
  return kept;
}

/** The step with one part less. */
function variantsOf(drawn: DrawnStep | undefined): readonly DrawnStep[] {
  if (drawn?.step.call !== 'txn') return [];
  return smallerTxns(drawn.step.request).map((request) => ({ ...drawn, step: { call: 'txn', request } }));
}

function smallerTxns(request: TxnRequest): readonly TxnRequest[] {
  const { compare, success, failure } = request;
  return [
    // What is largest first: it saves the most runs.
    ...(success.length > 1 ? [{ ...request, success: [] }] : []),
    ...(failure.length > 1 ? [{ ...request, failure: [] }] : []),
    ...compare.map((_, index) => ({ ...request, compare: compare.toSpliced(index, 1) })),
    ...smallerLists(success).map((list) => ({ ...request, success: list })),
    ...smallerLists(failure).map((list) => ({ ...request, failure: list })),
  ];
}

function smallerLists(ops: readonly Op[]): readonly (readonly Op[])[] {
  return ops.flatMap((op, index) => [
    ops.toSpliced(index, 1),
    ...(op.type === 'txn'
      ? smallerTxns(op).map((smaller): Op[] => ops.with(index, { type: 'txn', ...smaller }))
      : []),
  ]);
}
