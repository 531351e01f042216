import { onTestFinished } from 'vitest';
import { LifeSign } from '../../../src/etcd3/renewal/life-sign.js';
import type { FromRenewalThread, ToRenewalThread } from '../../../src/etcd3/renewal/messages.js';
import { RenewalService } from '../../../src/etcd3/renewal/renewal-service.js';
import { WorkerRenewer } from '../../../src/etcd3/renewal/worker-renewer.js';
import type { ThreadEvents } from '../../../src/runtime/thread.js';
import type { LeaseRenewer } from '../../../src/store/index.js';
import { ManualRuntime, ManualTime } from '../../support/manual-runtime.js';

export interface SentKeepAlive {
  readonly atMs: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * The two sides of renewal on two event loops in one true time, with the thread itself left out: messages pass by hand.
 * The thread begins later, so its clock counts from another moment; the clock that they share from a third one.
 */
export async function twoThreads(options: { longestStallMs?: number; fallback?: LeaseRenewer } = {}) {
  const time = new ManualTime();
  const main = new ManualRuntime({ time });
  await time.advance(12_345);
  const beside = new ManualRuntime({ time });
  beside.wallMs = () => main.wallMs();
  const { longestStallMs = 60_000 } = options;
  const sharedMs = () => time.nowMs + 987_654;
  const sent: SentKeepAlive[] = [];
  /** `deaf`: the thread hears no more of what it is told by messages. */
  const control = { ttlSeconds: 10 as number | 'silent' | Error, deaf: false };
  const mailbox: FromRenewalThread[] = [];
  const ended: unknown[] = [];
  const fallenBack: string[] = [];
  let events: ThreadEvents | undefined;
  let isBlocked = false;
  const read = () => {
    while (!isBlocked && mailbox.length > 0) events?.onMessage(structuredClone(mailbox.shift()));
  };
  const renewer = new WorkerRenewer({
    ...{ runtime: main, sharedMs, longestStallMs },
    fallback: options.fallback ?? {
      start: ({ id }) => {
        fallenBack.push(id);
        return { latest: () => undefined, stop: () => fallenBack.push(`${id} stopped`) };
      },
    },
    startThread: (lifeSign, threadEvents) => {
      events = threadEvents;
      const service = new RenewalService({
        ...{ runtime: beside, sharedMs, longestStallMs, lifeSign: new LifeSign(lifeSign) },
        store: {
          leaseKeepAlive: async (_id, callOptions) => {
            sent.push({ atMs: time.nowMs, signal: callOptions?.signal });
            if (control.ttlSeconds === 'silent') return new Promise<number>(() => {});
            if (control.ttlSeconds instanceof Error) throw control.ttlSeconds;
            return control.ttlSeconds;
          },
        },
        post: (message) => {
          mailbox.push(message);
          queueMicrotask(read);
        },
      });
      mailbox.push({ type: 'ready' });
      queueMicrotask(read);
      return {
        post: (message) => {
          if (!control.deaf) service.handle(message as ToRenewalThread);
        },
        end: async () => {
          ended.push('told to');
          threadEvents.onEnd(undefined);
        },
      };
    },
    onEnd: (cause) => ended.push(cause),
  });
  onTestFinished(() => renewer.close());
  return {
    ...{ time, main, beside, renewer, sent, control, ended, fallenBack, sharedMs },
    /** The main event loop stands still: no timer fires, no message is read. */
    block: () => {
      isBlocked = true;
      main.pause();
    },
    unblock: () => {
      isBlocked = false;
      main.resume();
      read();
    },
    /** The thread ends by itself, in the middle of whatever it does. */
    crash: (cause: unknown) => {
      beside.pause();
      events?.onEnd(cause);
    },
  };
}
