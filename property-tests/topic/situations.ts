/** What a run of full size must have met. */
export const situations = [
  'a segment was opened',
  'a publisher found its segment closed',
  'a message was put whose publisher was never told',
  'a message was never put, as its publisher was told',
  'a partition changed its owner',
  'an owner began anew with the cursor as it stood',
  'a cursor was refused',
  'a message was acknowledged above the cursor',
  'a message was handed out again',
  'a message was put aside',
  'an acknowledgement was confirmed',
  'somebody sought while others worked',
  'messages were removed',
  'a gap was told',
  'a member left and came again',
  'a reader began where nothing was any more',
  'every group got on when only a core was healed',
] as const;

export type Situation = (typeof situations)[number];
