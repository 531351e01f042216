import type { Key, LeaseId } from '../store/index.js';
import type { Version } from './key-history.js';

/** The whole state of an engine as plain data that survives JSON. Watches are not part of it. */
export interface EngineSnapshot {
  readonly format: 1;
  readonly revision: number;
  readonly compactRevision: number;
  /** In the order of writing. */
  readonly versions: readonly VersionSnapshot[];
  readonly leases: readonly { readonly id: LeaseId; readonly ttlSeconds: number }[];
}

export interface VersionSnapshot {
  readonly key: Key;
  readonly revision: number;
  readonly sub: number;
  /** Absent for a delete. */
  readonly put?: {
    /** Base64. */
    readonly value: string;
    readonly createRevision: number;
    readonly version: number;
    readonly lease: LeaseId;
  };
}

export function versionToSnapshot({ key, revision, sub, kv }: Version): VersionSnapshot {
  if (kv === undefined) return { key, revision, sub };
  const { createRevision, version, lease } = kv;
  const value = Buffer.from(kv.value.buffer, kv.value.byteOffset, kv.value.byteLength).toString('base64');
  return { key, revision, sub, put: { value, createRevision, version, lease } };
}

export function versionFromSnapshot({ key, revision, sub, put }: VersionSnapshot): Version {
  if (put === undefined) return { key, revision, sub, kv: undefined };
  const { createRevision, version, lease } = put;
  const value = new Uint8Array(Buffer.from(put.value, 'base64'));
  return { key, revision, sub, kv: { key, value, createRevision, modRevision: revision, version, lease } };
}
