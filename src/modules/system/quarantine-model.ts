import { t } from 'elysia';
import { Count, Nullable, OneOf } from '../../http/answer-schemas.ts';
import { pageQuery } from '../../http/query-schemas.ts';
import { Choice, Text } from '../../storage/field.ts';
import {
  discardedAllExample,
  discardedExample,
  entryExample,
  pageExample,
  retriedAllExample,
  retriedExample,
  retryExample,
} from './quarantine-examples.ts';

const filterBy = (description: string, example: string) =>
  t.Optional(Text({ charactersMin: 1 }, { description, examples: [example] }));
const quarantineFilter = {
  collection: filterBy('Only records of this collection.', entryExample.collection),
  session_id: filterBy('Only this session and its tasks.', entryExample.session_id),
  code: filterBy('Only with a code that contains this; A to Z in either case.', 'too_long'),
  reason: filterBy('Only with a reason that contains this; A to Z in either case.', 'sheet_name'),
};
export const QuarantineFilter = t.Object(quarantineFilter);
export const QuarantineQuery = t.Object({ ...pageQuery, ...quarantineFilter });
export const DiscardQuery = t.Object({
  ...quarantineFilter,
  confirm: t.Optional(
    Choice(['true'], {
      description: 'true: discard everything; needed when there is no filter.',
      examples: ['true'],
    }),
  ),
});

export const QuarantineParams = t.Object({
  id: t.String({ description: 'The id that the list shows.', examples: [entryExample.id] }),
});

const entry = {
  id: t.String({ description: 'The name of the file in the quarantine folder, without .json.' }),
  kind: OneOf(['record', 'frame', 'damaged file']),
  collection: Nullable<string>('string', { description: 'Or the type of a journal frame.' }),
  key: Nullable<string>('string', { description: 'The id of the record.' }),
  session_id: Nullable<string>('string'),
  code: t.String({ description: 'The code of the refusal, of storage or of the service.' }),
  reason: t.String({ description: 'Why it was refused the last time.' }),
  first_accepted_at: Nullable<string>('string', { format: 'date-time' }),
  accepted_at: Nullable<string>('string', { format: 'date-time' }),
  quarantined_at: Nullable<string>('string', { format: 'date-time' }),
  retried_at: Nullable<string>('string', { format: 'date-time' }),
  record: Nullable<Record<string, unknown>>('object', { description: 'As it was accepted.' }),
};
export const QuarantineEntry = t.Object(
  { ...entry, payload_base64: Nullable<string>('string', { description: 'What a journal frame holds.' }) },
  { title: 'QuarantineEntry', description: 'The entry, whole.', examples: [entryExample] },
);

export const QuarantinePage = t.Object(
  {
    total: Count('Entries that match.'),
    page: Count('Page, from 1.'),
    page_size: Count('Items a page.'),
    total_pages: Count('Pages.'),
    by_code: t.Record(t.String(), Count('Entries that match and have this code.'), {
      description: 'How many of the entries that match have each code.',
    }),
    items: t.Array(t.Object(entry)),
  },
  {
    title: 'QuarantinePage',
    description: 'The entries that match, the newest first.',
    examples: [pageExample],
  },
);

export const RetryRequest = t.Object(
  {
    record: t.Optional(
      t.Object({}, { additionalProperties: true, description: 'Fields to change first; null clears.' }),
    ),
  },
  {
    title: 'RetryRequest',
    description: 'What to change first; a body is not needed.',
    examples: [retryExample],
  },
);

export const Retried = t.Object(
  { status: t.Literal('stored'), id: t.String() },
  {
    title: 'RetriedEntry',
    description: 'The record is in storage, and no longer in the quarantine.',
    examples: [retriedExample],
  },
);

export const RetriedAll = t.Object(
  {
    status: t.Literal('completed'),
    retried: Count('Records that were tried.'),
    stored: Count('Records that storage has taken.'),
    still_refused: Count('Records that stay in the quarantine.'),
  },
  {
    title: 'RetriedEntries',
    description: 'Every record that matches was tried.',
    examples: [retriedAllExample],
  },
);

export const Discarded = t.Object(
  { status: t.Literal('discarded'), id: t.String() },
  { title: 'DiscardedEntry', description: 'The entry is gone for good.', examples: [discardedExample] },
);

export const DiscardedAll = t.Object(
  { status: t.Literal('discarded'), discarded: Count('Entries that are gone.') },
  {
    title: 'DiscardedEntries',
    description: 'What matched is gone for good.',
    examples: [discardedAllExample],
  },
);
