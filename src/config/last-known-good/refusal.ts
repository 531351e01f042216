import { type ErrorCode, QuorateError } from '../../errors.js';

/**
 * Why a file of the last known good is not used, as `details.reason`:
 * - `missing`: there is none.
 * - `unreadable`: the system does not let it be read.
 * - `damaged`: it is not whole, or it is no such file.
 * - `newer-format`: a later version of this library wrote it.
 * - `other-cluster`: it is of another cluster than the one that was asked for; or there are some of several.
 * - `other-reader`: it is of another namespace, configuration, scope or instance.
 * - `other-documents`: it does not say of all documents that are to be read whether they are there.
 * - `refused-by-schema`: a document in it does not pass its schema.
 */
export type FileRefusal =
  | 'missing'
  | 'unreadable'
  | 'damaged'
  | 'newer-format'
  | 'other-cluster'
  | 'other-reader'
  | 'other-documents'
  | 'refused-by-schema';

const codes: Readonly<Record<FileRefusal, ErrorCode>> = {
  missing: 'unavailable',
  unreadable: 'unavailable',
  damaged: 'codec',
  'newer-format': 'codec',
  'other-cluster': 'codec',
  'other-reader': 'codec',
  'other-documents': 'codec',
  'refused-by-schema': 'codec',
};

export function refusedFile(reason: FileRefusal, path: string, why: string, cause?: unknown): QuorateError {
  return new QuorateError(codes[reason], `the last known good of ${path} is not used: ${why}`, {
    ...{ cause, details: { file: path, reason } },
  });
}
