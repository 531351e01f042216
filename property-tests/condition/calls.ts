import type { NotifyCall } from '../../src/checkers/condition.js';
import { isQuorateError } from '../../src/errors.js';
import type { Hold } from '../../src/locks/index.js';

/** Notes a call that is to notify, and until when it may have taken effect: for ever, where nobody knows. */
export async function recordCall(
  calls: NotifyCall[],
  asked: { readonly process: string; readonly hold: Hold; readonly nowMs: () => number },
  notify: () => Promise<unknown>,
): Promise<void> {
  const { process, hold, nowMs } = asked;
  const call = { process, place: hold.guard().key, token: hold.token, beganAtMs: nowMs() };
  const index = calls.push(call) - 1;
  const settled = () => {
    calls[index] = { ...call, endedAtMs: nowMs() };
  };
  try {
    await notify();
    settled();
  } catch (error) {
    if (!isQuorateError(error) || error.outcome !== 'unknown') settled();
    throw error;
  }
}
