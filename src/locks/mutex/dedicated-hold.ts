import { type HoldParts, PlaceHold } from '../hold.js';

/**
 * A hold of a place that serves nobody else: when it is released or lost, and its writes have settled, the place is given
 * up. `leave` must not reject.
 */
export function dedicatedHold(parts: HoldParts, leave: () => Promise<unknown>): PlaceHold {
  const hold = new PlaceHold(parts);
  const giveUp = async () => {
    await hold.released;
    await hold.settled();
    await leave();
    hold.passedOn();
  };
  void giveUp();
  return hold;
}
