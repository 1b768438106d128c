import { expect, test } from 'bun:test';
import { loadConfig } from '../../src/config/load.ts';
import { redacted } from '../../src/config/redact.ts';

test.each([
  ['a password', { DATABASE_PASSWORD: 'hunter2', DATABASE_HOST: 'db' }],
  ['a url', { DATABASE_URL: 'mysql://u:hunter2@db:3306/x' }],
  ['a url with an odd password', { DATABASE_URL: 'mysql://u:a%40:hunter2@db/x' }],
])('%s is hidden, and everything else is shown', (_, environment) => {
  const config = loadConfig({ flags: {}, environment });
  const shown = JSON.stringify(redacted(config));
  expect(shown).not.toContain('hunter2');
  expect(shown).toContain('***');
  expect(redacted(config)).toMatchObject({ service: config.service, buffer: config.buffer });
  expect(shown).toContain('db');
});
