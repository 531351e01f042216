/**
 * The last that a reader was given, on disk, for a start without the store.
 *
 * **Files.** `{path}.{cluster}.{revision}`, the revision in 16 hexadecimal digits; each is written once, whole (files/replace-file.ts),
 * and says in itself whose it is, of which cluster and revision. The newest of a cluster is the last known good.
 *
 * **Keep.** Look what is there; where the same cluster has a newer one, leave it at that. Else write, and once that is durable remove
 * those of lower revisions, and of other clusters.
 *
 * **Who waits for whom.** Nobody: there is no lock among processes that share a path. A writer that was stopped in the middle and goes
 * on after others wrote newer ones adds an older file beside them, under its own name, and removes only older ones still. So none is ever
 * replaced by an older one of its cluster, whoever is paused or killed wherever.
 *
 * **When things go wrong.** Crash before the renaming: a temporary file is left, which nobody reads, and which the next writer removes.
 * Crash after it: an older file is left too; the newest counts. The disk lies: length and checksum are of the whole.
 *
 * **Wrong:** one name for all, replaced after a look at what is there (who is paused between the two puts the old over the new); a
 * lock file (its owner may be paused, or dead); written in place; renamed before the content is durable; no checksum; a newer file
 * that is damaged passed over for an older one.
 */
import { basename, dirname, join } from 'node:path';
import type { QuorateError } from '../../errors.js';
import type { Runtime } from '../../runtime/index.js';
import { hexRevision } from '../../store/index.js';
import type { FileSystem } from '../files/file-system.js';
import { removeAbandoned, replaceFile } from '../files/replace-file.js';
import type { ConfigPicture } from '../reading/options.js';
import { type FileRefusal, refusedFile } from './refusal.js';
import {
  decodePicture,
  encodePicture,
  ownerText,
  type PictureOwner,
  type SavedPicture,
} from './saved-picture.js';

const defaultMode = 0o600;
/** Files come and go while they are read; that goes on for no longer than others write. */
const mostLooks = 8;

export interface LastKnownGoodFileOptions extends PictureOwner {
  readonly path: string;
  readonly mode?: number | undefined;
  /** Names of all documents that are read. */
  readonly documents: readonly string[];
  readonly files: FileSystem;
  readonly runtime: Runtime;
}

export interface Kept {
  readonly clusterId: string;
  /** As of this revision, or a newer one, there is a file that lasts. */
  readonly revision: number;
  /** Other clusters whose files were removed. */
  readonly replaced: readonly string[];
}

interface NamedFile {
  readonly name: string;
  readonly clusterId: string;
  readonly revision: number;
}

interface FoundFile extends NamedFile {
  readonly picture?: SavedPicture;
  readonly refusal?: QuorateError;
}

/** See the head of this file. Processes that share a path must be of one scope and instance, and read the same documents. */
export class LastKnownGoodFile {
  readonly #options: LastKnownGoodFileOptions;
  readonly #owner: string;
  /** Files that this object wrote, or has read: they never change. */
  readonly #known = new Map<string, FoundFile>();
  /** Files whose names outlast a crash of the machine. */
  readonly #durable = new Set<string>();
  #isSwept = false;

  constructor(options: LastKnownGoodFileOptions) {
    this.#options = options;
    this.#owner = ownerText(options);
  }

  /**
   * The newest there is. Rejects with `unavailable` or `codec`, and `details.reason`: see {@link FileRefusal}. With a cluster id:
   * of that cluster alone.
   */
  async read(clusterId?: string): Promise<SavedPicture> {
    const { documents } = this.#options;
    const found = await this.#found();
    const own = found.flatMap(({ picture }) => (picture === undefined ? [] : [picture]));
    const asked = own.filter((picture) => clusterId === undefined || picture.clusterId === clusterId);
    const [first] = asked;
    if (first === undefined) {
      if (own.length > 0)
        throw this.#refused('other-cluster', `it is of ${clustersOf(own)}, not of ${clusterId}`);
      throw found.find(({ refusal }) => refusal)?.refusal ?? this.#refused('missing', 'there is none');
    }
    if (asked.some((picture) => picture.clusterId !== first.clusterId)) {
      throw this.#refused('other-cluster', `there are some of several clusters: ${clustersOf(asked)}`);
    }
    const newest = asked.reduce((one, other) => (other.revision > one.revision ? other : one));
    const unusable = found.find(
      ({ refusal, ...file }) =>
        refusal !== undefined && file.clusterId === newest.clusterId && file.revision > newest.revision,
    );
    if (unusable?.refusal !== undefined) throw unusable.refusal;
    const missing = documents.filter((document) => !newest.documents.includes(document));
    if (missing.length > 0)
      throw this.#refused('other-documents', `it says nothing of ${missing.join(', ')}`);
    return newest;
  }

  /** Resolves once there is a file that lasts, of this revision or a newer one of the same cluster. Not to be called twice at a time. */
  async keep({ clusterId, revision, contents }: ConfigPicture): Promise<Kept> {
    const { path, files, runtime, documents, mode = defaultMode } = this.#options;
    if (!this.#isSwept) await removeAbandoned(files, runtime, path);
    this.#isSwept = true;
    const found = await this.#found();
    for (const { refusal } of found) if (reasonOf(refusal) === 'other-reader') throw refusal;
    const newer = found.find((file) => file.clusterId === clusterId && file.revision > revision);
    if (newer?.refusal !== undefined) throw newer.refusal;
    if (newer !== undefined) {
      await this.#makeDurable(newer.name);
      return { clusterId, revision: newer.revision, replaced: [] };
    }
    const name = this.#nameOf(clusterId, revision);
    const there = found.find((file) => file.name === name)?.picture;
    if (there === undefined || documents.some((document) => !there.documents.includes(document))) {
      const savedAtMs = Math.round(runtime.wallMs());
      const picture = { clusterId, revision, owner: this.#owner, documents, savedAtMs, contents };
      const place = join(dirname(path), name);
      await this.#try('cannot be written', () =>
        replaceFile(files, runtime, { path: place, content: encodePicture(picture), mode }),
      );
      this.#known.set(name, { name, clusterId, revision, picture });
      this.#durable.add(name);
    }
    await this.#makeDurable(name);
    const old = found.filter((file) => file.name !== name);
    for (const file of old) await this.#remove(file.name);
    const others = old.filter((file) => file.clusterId !== clusterId);
    return { clusterId, revision, replaced: [...new Set(others.map((file) => file.clusterId))] };
  }

  async #found(): Promise<readonly FoundFile[]> {
    for (let looks = 1; ; looks += 1) {
      const found = await Promise.all((await this.#listed()).map((file) => this.#look(file)));
      // What vanished was replaced by something newer, which is to be seen.
      if (!found.some(({ refusal }) => reasonOf(refusal) === 'missing') || looks === mostLooks) return found;
    }
  }

  async #listed(): Promise<readonly NamedFile[]> {
    const { path, files } = this.#options;
    const names = await this.#try('its folder cannot be read', () => files.list(dirname(path)));
    const listed = names.flatMap((name) => this.#parse(name) ?? []);
    const present = new Set(listed.map(({ name }) => name));
    for (const name of this.#known.keys()) if (!present.has(name)) this.#forget(name);
    return listed;
  }

  /** Whoever wrote it may not have come so far yet. */
  async #makeDurable(name: string): Promise<void> {
    if (this.#durable.has(name)) return;
    const { path, files } = this.#options;
    await this.#try('its folder cannot be synced', () => files.syncFolder(dirname(path)));
    this.#durable.add(name);
  }

  #forget(name: string): void {
    this.#known.delete(name);
    this.#durable.delete(name);
  }

  async #look(file: NamedFile): Promise<FoundFile> {
    const known = this.#known.get(file.name);
    if (known !== undefined) return known;
    const looked = await this.#open(file);
    if (looked.picture !== undefined) this.#known.set(file.name, looked);
    return looked;
  }

  async #open(file: NamedFile): Promise<FoundFile> {
    const { path, files } = this.#options;
    let bytes: Uint8Array | undefined;
    try {
      bytes = await files.read(join(dirname(path), file.name));
    } catch (cause) {
      return { ...file, refusal: this.#refused('unreadable', `${file.name} cannot be read`, cause) };
    }
    if (bytes === undefined) return { ...file, refusal: this.#refused('missing', `${file.name} is gone`) };
    const decoded = decodePicture(bytes);
    if ('reason' in decoded) {
      return { ...file, refusal: this.#refused(decoded.reason, `of ${file.name}, ${decoded.why}`) };
    }
    const { picture } = decoded;
    if (picture.owner !== this.#owner) {
      const why = `${file.name} is of ${picture.owner}, and this reader is ${this.#owner}`;
      return { ...file, refusal: this.#refused('other-reader', why) };
    }
    if (picture.clusterId !== file.clusterId || picture.revision !== file.revision) {
      return { ...file, refusal: this.#refused('damaged', `${file.name} is named as another is`) };
    }
    return { ...file, picture };
  }

  /** What stays is removed after the next one. */
  async #remove(name: string): Promise<void> {
    const { path, files } = this.#options;
    this.#forget(name);
    await files.remove(join(dirname(path), name)).catch(() => {});
  }

  #nameOf(clusterId: string, revision: number): string {
    return `${basename(this.#options.path)}.${clusterPart(clusterId)}.${hexRevision(revision)}`;
  }

  #parse(name: string): NamedFile | undefined {
    const start = `${basename(this.#options.path)}.`;
    const match = /^([\w%-]+)\.([0-9a-f]{16})$/.exec(name.startsWith(start) ? name.slice(start.length) : '');
    const [, cluster = '', revision = ''] = match ?? [];
    if (match === null) return undefined;
    try {
      return { name, clusterId: decodeURIComponent(cluster), revision: Number.parseInt(revision, 16) };
    } catch {
      return undefined;
    }
  }

  async #try<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      throw this.#refused('unreadable', what, cause);
    }
  }

  #refused(reason: FileRefusal, why: string, cause?: unknown): QuorateError {
    return refusedFile(reason, this.#options.path, why, cause);
  }
}

/** Letters that file names may have everywhere, and no dot. */
function clusterPart(clusterId: string): string {
  return encodeURIComponent(clusterId).replace(/[.!~*'()]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`);
}

function clustersOf(pictures: readonly SavedPicture[]): string {
  return [...new Set(pictures.map(({ clusterId }) => clusterId))].join(', ');
}

function reasonOf(refusal: QuorateError | undefined): unknown {
  return refusal?.details['reason'];
}
