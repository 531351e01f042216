import type { Metadata } from './transport/transport.js';

/** The metadata of calls, as of one authentication. */
export interface Credentials {
  /** With `hasleader`: a member that has no leader refuses at once instead of hanging. */
  readonly linearizable: Metadata;
  readonly plain: Metadata;
}

/**
 * Keeps the token of the calls. However many calls find it missing or stale, one authentication is under way at a
 * time and all wait for it (B7).
 */
export class Authenticator {
  readonly #authenticate: (() => Promise<string | undefined>) | undefined;
  #credentials: Credentials | undefined;
  #pending: Promise<Credentials> | undefined;

  /** `authenticate` asks the cluster for a token; absent where no user is configured. */
  constructor(authenticate: (() => Promise<string | undefined>) | undefined) {
    this.#authenticate = authenticate;
    if (authenticate === undefined) this.#credentials = anonymous;
  }

  /** The present credentials, if there are any. */
  get current(): Credentials | undefined {
    return this.#credentials;
  }

  get(): Promise<Credentials> {
    if (this.#credentials !== undefined) return Promise.resolve(this.#credentials);
    this.#pending ??= this.#renew().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  /**
   * Forgets `stale`, unless it has been replaced meanwhile. False if there is nothing to renew, because no user
   * is configured.
   */
  invalidate(stale: Credentials): boolean {
    if (this.#authenticate === undefined) return false;
    if (this.#credentials === stale) this.#credentials = undefined;
    return true;
  }

  async #renew(): Promise<Credentials> {
    this.#credentials = credentialsOf(await this.#authenticate?.());
    return this.#credentials;
  }
}

function credentialsOf(token: string | undefined): Credentials {
  const plain: Metadata = token === undefined ? {} : { token };
  return { linearizable: { ...plain, hasleader: 'true' }, plain };
}

/** Of no user. */
export const anonymous: Credentials = credentialsOf(undefined);
