import type { StandardSchemaV1 } from '@standard-schema/spec';
import { onTestFinished } from 'vitest';
import { Config, ConfigDocument, ConfigEditor, type ConfigOptions } from '../../src/config/index.js';
import type { Client } from '../../src/session/index.js';

export interface Limits {
  readonly perSecond: number;
  readonly burst?: number;
  readonly hosts?: readonly string[];
}

/** Limits whose burst, if there is one, is no less than what they are for a second. */
export function limitsSchema(options: { delayMs?: number } = {}): StandardSchemaV1<unknown, Limits> {
  const validate = (value: unknown): StandardSchemaV1.Result<Limits> => {
    const { perSecond, burst } = (value ?? {}) as Partial<Limits>;
    if (typeof perSecond !== 'number') {
      return { issues: [{ message: 'a number is needed', path: ['perSecond'] }] };
    }
    if (burst !== undefined && burst < perSecond) {
      return { issues: [{ message: 'less than perSecond', path: ['burst'] }] };
    }
    return { value: value as Limits };
  };
  const { delayMs } = options;
  const later = (value: unknown) =>
    new Promise<StandardSchemaV1.Result<Limits>>((resolve) =>
      setTimeout(() => resolve(validate(value)), delayMs),
    );
  return { '~standard': { version: 1, vendor: 'test', validate: delayMs === undefined ? validate : later } };
}

export const limits = new ConfigDocument<Limits>('limits', { schema: limitsSchema() });
export const flags = new ConfigDocument<Readonly<Record<string, boolean>>>('flags');
export const motd = new ConfigDocument<string>('motd', {
  codec: {
    encode: (text) => Buffer.from(text, 'latin1'),
    decode: (bytes) => Buffer.from(bytes).toString('latin1'),
  },
});

export const documents = [limits, flags, motd] as const;
export const name = 'shop';

export async function openConfig(client: Client, options: Partial<ConfigOptions> = {}): Promise<Config> {
  const config = await Config.open(client, name, { documents, proveEveryMs: 100, ...options });
  onTestFinished(() => config.close());
  return config;
}

export function editorOf(client: Client, author = 'ada'): ConfigEditor {
  return new ConfigEditor(client, name, { documents, author });
}

export const why = { reason: 'because of a test' };
