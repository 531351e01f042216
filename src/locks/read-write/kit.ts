import type { Line, Place } from '../../line/index.js';
import type { Client } from '../../session/index.js';
import type { ReadHold, WriteHold } from './holds.js';
import type { ReadWriteSettings } from './options.js';

/** What the parts of one lock object share. */
export interface Kit {
  readonly name: string;
  readonly client: Client;
  readonly line: Line;
  readonly settings: ReadWriteSettings;
  /** A hold by a place that has a write key and whose turn has come. */
  readonly writeHold: (taken: Taken) => WriteHold;
  /** A hold by what is left of such a place without its write key. */
  readonly readHoldAfterWriting: (taken: Taken) => ReadHold;
}

/** A place whose turn has come, and for whom it stands if that was told. */
export interface Taken {
  readonly place: Place;
  readonly owner?: string | undefined;
}
