/**
 * The hash by which etcd's members compare their stores (HashKV): CRC-32C over every retained version, each as
 * its revision and its stored record. The same history gives the same number here as in etcd 3.4.
 */
import type { KeyValue } from '../store/index.js';
import type { Version } from './key-history.js';

const castagnoli = 0x82f63b78;

function crcTable(): Uint32Array {
  const table = new Uint32Array(256);
  for (let index = 0; index < 256; index += 1) {
    let value = index;
    for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? castagnoli ^ (value >>> 1) : value >>> 1;
    table[index] = value;
  }
  return table;
}

/** Hash of `versions`, given in the order of writing, as of `revision`. */
export function hashVersions(
  versions: readonly Version[],
  revision: number,
  compactRevision: number,
): number {
  const table = crcTable();
  let crc = 0xffffffff;
  const update = (bytes: Uint8Array) => {
    for (const byte of bytes) crc = (table[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  };
  const kept = newestPuts(versions, revision);
  update(Buffer.from('key'));
  for (const version of versions) {
    if (version.revision > revision) break;
    // A version that the next compaction would drop counts only above the last compaction.
    if (version.revision <= compactRevision && kept.size > 0 && !kept.has(version)) continue;
    update(revisionBytes(version));
    update(recordBytes(version));
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/** The versions that a compaction at `revision` would keep of those at or below it. */
function newestPuts(versions: readonly Version[], revision: number): ReadonlySet<Version> {
  const newest = new Map<string, Version>();
  for (const version of versions) {
    if (version.revision > revision) break;
    if (version.kv === undefined) newest.delete(version.key);
    else newest.set(version.key, version);
  }
  return new Set(newest.values());
}

function revisionBytes(version: Version): Uint8Array {
  const bytes = Buffer.alloc(version.kv === undefined ? 18 : 17);
  bytes.writeBigUInt64BE(BigInt(version.revision), 0);
  bytes.write('_', 8);
  bytes.writeBigUInt64BE(BigInt(version.sub), 9);
  if (version.kv === undefined) bytes.write('t', 17);
  return bytes;
}

function recordBytes({ key, kv }: Version): Uint8Array {
  const parts: Uint8Array[] = [...bytesField(1, Buffer.from(key, 'latin1'))];
  if (kv !== undefined) parts.push(...putFields(kv));
  return Buffer.concat(parts);
}

function putFields(kv: KeyValue): Uint8Array[] {
  return [
    ...numberField(2, BigInt(kv.createRevision)),
    ...numberField(3, BigInt(kv.modRevision)),
    ...numberField(4, BigInt(kv.version)),
    ...bytesField(5, kv.value),
    ...numberField(6, BigInt.asUintN(64, BigInt(kv.lease))),
  ];
}

function bytesField(field: number, bytes: Uint8Array): Uint8Array[] {
  if (bytes.length === 0) return [];
  return [Buffer.from([field * 8 + 2]), varint(BigInt(bytes.length)), bytes];
}

function numberField(field: number, value: bigint): Uint8Array[] {
  return value === 0n ? [] : [Buffer.from([field * 8]), varint(value)];
}

function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}
