export { Barrier, type BarrierView } from './barrier.js';
export { type CountDown, CountDownLatch, type CountDownOptions, type LatchView } from './count-down-latch.js';
export type {
  CyclicActionContext,
  CyclicBarrierOptions,
  CyclicBarrierView,
  CyclicPassage,
} from './cyclic/options.js';
export { CyclicBarrier } from './cyclic-barrier.js';
export type { DeadMembers } from './dead-members.js';
export type { DoubleBarrierOptions, DoubleBarrierView, Stay } from './double/options.js';
export { DoubleBarrier } from './double-barrier.js';
export type { GateHold } from './gate-hold.js';
export type { PhaserMember } from './phaser/phaser-member.js';
export { Phaser, type PhaserView } from './phaser.js';
