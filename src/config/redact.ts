import type { Config } from './schema.ts';

const hidden = '***';

/** The configuration in effect, without its secrets: passwords, and those inside URLs. */
export function redacted(config: Config): Config {
  return JSON.parse(
    JSON.stringify(config, (key, value: unknown) => {
      if (typeof value !== 'string' || value === '') return value;
      if (key === 'password') return hidden;
      return key === 'url' ? value.replace(/(?<=:\/\/[^@/]*:)[^@]*(?=@)/, hidden) : value;
    }),
  ) as Config;
}
