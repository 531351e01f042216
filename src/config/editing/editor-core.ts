import { invalidArgument, shown } from '../../errors.js';
import {
  checkWaitOptions,
  defaultTimeoutMs,
  TimeLeft,
  type WaitOptions,
  waitFor,
} from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { checkName, type RangeOp } from '../../store/index.js';
import type { ConfigDocument, ConfigEdit } from '../document.js';
import { ConfigKeys } from '../keys.js';
import type { Attribution } from '../records/attribution.js';
import type { AskedChange } from './asked.js';
import { type CommitParts, type ConfigChange, commitChange } from './commit-change.js';
import { type ReadStates, readStates } from './document-state.js';
import { type ReadyEdit, readyEdits } from './edits.js';
import { checkLength } from './limits.js';
import type { MadeChange } from './made-before.js';

export interface ChangeOptions extends WaitOptions {
  /** Why, for those who read the history. At most 1,024 bytes. */
  reason: string;
  /**
   * Of the change. A call that is made again under it, after an outcome that is unknown say, does nothing if one of the last 16
   * changes of one of the documents was of this id, and answers that one; `invalid-argument` if that was asked for by another call: of
   * another action, rollout or proposal, or with other contents; `conflict` if it was made, and what it made of another of the
   * documents is not kept any more. At most 128 bytes. Default: a new one.
   */
  changeId?: string | undefined;
}

/** A call that has begun: who does it, under which id, and how long it may take. */
export interface StartedCall {
  readonly id: string;
  readonly by: Attribution;
  readonly left: TimeLeft;
}

/** What an editor, its rollouts and its reviews share. */
export class EditorCore {
  readonly client: Client;
  readonly name: string;
  readonly author: string;
  readonly keys: ConfigKeys;
  readonly documents: readonly ConfigDocument<unknown>[];

  constructor(client: Client, name: string, author: string, documents: readonly ConfigDocument<unknown>[]) {
    this.keys = new ConfigKeys(client.keys.prefix('config', name));
    this.client = client;
    this.name = name;
    this.author = author;
    this.documents = documents;
  }

  /** Refuses options that make no sense with `invalid-argument`. */
  begin(options: ChangeOptions, doing: string): StartedCall {
    const left = this.left(options, doing);
    const { reason, changeId } = options;
    if (typeof reason !== 'string' || reason.trim() === '') {
      throw invalidArgument(`the reason is ${shown(reason)}`, 'a text that says why');
    }
    checkLength(reason, 'reason');
    if (changeId !== undefined) {
      checkName(changeId, 'changeId');
      checkLength(changeId, 'changeId');
    }
    const { runtime } = this.client;
    const atMs = Math.round(runtime.wallMs());
    return { left, id: changeId ?? runtime.newId(), by: { author: this.author, atMs, reason } };
  }

  left(options: WaitOptions, doing: string): TimeLeft {
    const what = `${doing} the configuration ${JSON.stringify(this.name)}`;
    checkWaitOptions(options, what);
    const { signal, timeoutMs = defaultTimeoutMs } = options;
    return new TimeLeft(this.client.runtime, { signal, timeoutMs }, what);
  }

  /** The document of this name. Throws `invalid-argument` if it is none of the editor's. */
  own(given: { readonly name: string }): ConfigDocument<unknown> {
    const { name } = (given ?? {}) as { readonly name: unknown };
    const document = this.documents.find((one) => one.name === name);
    if (document !== undefined) return document;
    throw invalidArgument(`the document ${shown(name)} is none of this editor's`, 'one of its documents');
  }

  /** Asks the schemas, for no longer than the call may take. */
  async ready(
    edits: ConfigEdit | readonly ConfigEdit[],
    { left }: Pick<StartedCall, 'left'>,
  ): Promise<readonly ReadyEdit[]> {
    const limits = left.all();
    const ready = await waitFor(this.client.runtime, readyEdits(edits), limits, 'asking the schemas');
    return ready.map((edit) => ({ ...edit, document: this.own(edit.document) }));
  }

  read(names: readonly string[], extra: readonly RangeOp[], left: TimeLeft): Promise<ReadStates> {
    return readStates(this.client, this.keys, names, extra, left.all());
  }

  async commit(...parts: Parameters<EditorCore['commitBy']>): Promise<ConfigChange> {
    return (await this.commitBy(...parts)).change;
  }

  /** The same, and who made it. */
  commitBy(
    { id, by, left }: StartedCall,
    documents: readonly ConfigDocument<unknown>[],
    asked: AskedChange,
    plan: CommitParts['plan'],
    extra: readonly RangeOp[] = [],
  ): Promise<MadeChange> {
    const { client, keys } = this;
    return commitChange({ client, keys, documents, extra, id, by, asked, plan, left });
  }
}
