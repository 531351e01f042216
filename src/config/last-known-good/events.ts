import type { QuorateError } from '../../errors.js';

/** What a configuration with a last known good on disk tells. None of it ends anything. */
export type LastKnownGoodEvent =
  /** The store could not be reached, for another attempt has to be made. */
  | { readonly type: 'connecting-failed'; readonly error: unknown }
  /** Begun with what is on disk. `cause`: why not with what is in the store. */
  | {
      readonly type: 'started-offline';
      readonly revision: number;
      readonly clusterId: string;
      readonly savedAtMs: number;
      readonly cause: QuorateError;
    }
  /** What is on disk is not used; `error.details.reason` says why. */
  | { readonly type: 'file-refused'; readonly error: QuorateError }
  /** The store is read, for the first time. */
  | { readonly type: 'online'; readonly revision: number; readonly clusterId: string }
  /** The cluster that answers is another than the one of the file that was begun with; its documents are given from now on. */
  | { readonly type: 'other-cluster'; readonly expected: string; readonly found: string }
  /**
   * The cluster of the file that was begun with stands at the revision `found`, below that of the file: it was put back, from a backup
   * say. Nothing of it is given before a change of it is of a later revision than the file. To have what it holds, remove the file and start anew.
   */
  | {
      readonly type: 'cluster-behind';
      readonly clusterId: string;
      readonly revision: number;
      readonly found: number;
    }
  /** There is a file of this revision, or a newer one, which outlasts a crash of the machine. */
  | { readonly type: 'kept'; readonly revision: number; readonly clusterId: string }
  /** Files of other clusters were removed for it. */
  | { readonly type: 'replaced-other-cluster'; readonly clusterIds: readonly string[] }
  /** It could not be kept; it is tried again. */
  | { readonly type: 'keeping-failed'; readonly revision: number; readonly error: QuorateError };
