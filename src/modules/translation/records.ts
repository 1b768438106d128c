import { type Static, Type } from '@sinclair/typebox';
import { defineCollection } from '../../storage/collection.ts';
import {
  Choice,
  Clearable,
  Document,
  Fraction,
  Instant,
  Text,
  textBytesMax,
  Whole,
} from '../../storage/field.ts';

/** Source: the specification's data model, §8 of the translation API, and its field tables, §3. */
export const sessionStatuses = ['pending', 'processing', 'completed', 'failed', 'cancelled'] as const;
export const taskStatuses = ['pending', 'processing', 'completed', 'failed'] as const;
/** A session or task that still has work to do. */
export const unfinishedStatuses = ['pending', 'processing'] as const;

export const SessionId = Text(
  { charactersMin: 1, charactersMax: 36 },
  {
    description: 'Identifies the session; compared byte by byte.',
    examples: ['550e8400-e29b-41d4-a716-446655440000'],
  },
);

export const TaskId = Text(
  { charactersMin: 1, charactersMax: 64 },
  { description: 'Identifies the task; compared byte by byte.', examples: ['task_001'] },
);

const counter = (description: string, example: number) =>
  Clearable(
    Whole({
      description: `${description} Never goes down: the larger value wins.`,
      examples: [example],
      merge: 'greatest',
      initial: 0,
    }),
  );

const shortText = (charactersMax: number, description: string, example: string) =>
  Text({ charactersMax }, { description, examples: [example] });

const longText = (description: string, example: string) =>
  Text({ bytesMax: textBytesMax }, { description, examples: [example] });

/** One uploaded file being translated. */
export const SessionRecord = Type.Object(
  {
    session_id: SessionId,
    filename: shortText(255, 'Name of the uploaded file.', 'game_translation.xlsx'),
    file_path: shortText(512, 'Where the uploaded file is.', '/uploads/game_translation.xlsx'),
    status: Choice(sessionStatuses, { description: 'State of the session.', examples: ['processing'] }),
    game_info: Clearable(
      Document({
        description: 'About the game, in free form.',
        examples: [{ game_name: 'Fantasy RPG', source_language: 'en', target_language: 'zh' }],
      }),
    ),
    llm_provider: shortText(50, 'Provider of the language model.', 'openai'),
    metadata: Clearable(
      Document({ description: 'Anything else, in free form.', examples: [{ user_id: 'user_123' }] }),
    ),
    total_tasks: counter('Tasks in all.', 2),
    completed_tasks: counter('Tasks that are completed.', 1),
    failed_tasks: counter('Tasks that have failed.', 0),
    processing_tasks: Clearable(
      Whole({ description: 'Tasks being processed; the newest value wins.', initial: 0, examples: [0] }),
    ),
  },
  {
    title: 'SessionRecord',
    description:
      'A translation session. Fields that are not given keep what is stored; null clears; unknown fields are ignored.',
  },
);
export type SessionRecord = Static<typeof SessionRecord>;

/** One cell of a file. */
export const TaskRecord = Type.Object(
  {
    task_id: TaskId,
    session_id: Text(
      { charactersMin: 1, charactersMax: 36 },
      {
        description: 'The session this task belongs to, for good.',
        merge: 'fixed',
        examples: ['550e8400-e29b-41d4-a716-446655440000'],
      },
    ),
    batch_id: shortText(64, 'The batch in which the task is translated.', 'batch_001'),
    sheet_name: shortText(255, 'Sheet of the cell.', 'Dialogue'),
    row_index: Whole({ description: 'Row of the cell, from 0.', examples: [10] }),
    column_name: shortText(255, 'Column of the cell.', 'Text'),
    source_text: longText('Text to translate.', 'Hello, adventurer!'),
    target_text: Clearable(longText('The translation.', '你好，冒险者！')),
    context: Clearable(longText('What helps to translate it.', 'NPC greeting dialogue')),
    status: Choice(taskStatuses, { description: 'State of the task.', examples: ['completed'] }),
    confidence: Clearable(
      Fraction({ description: 'How sure the translation is; kept with four decimals.', examples: [0.95] }),
    ),
    error_message: Clearable(longText('Why the task failed.', 'API rate limit exceeded')),
    retry_count: Clearable(Whole({ description: 'Attempts after the first.', initial: 0, examples: [0] })),
    start_time: Clearable(
      Instant({
        description: 'When work began; UTC unless it has an offset.',
        examples: ['2025-09-30T10:10:00Z'],
      }),
    ),
    end_time: Clearable(
      Instant({
        description: 'When work ended; UTC unless it has an offset.',
        examples: ['2025-09-30T10:10:05Z'],
      }),
    ),
    duration_ms: Clearable(Whole({ description: 'How long it took, in milliseconds.', examples: [5000] })),
  },
  {
    title: 'TaskRecord',
    description:
      'A translation task. Fields that are not given keep what is stored; null clears; unknown fields are ignored.',
  },
);
export type TaskRecord = Static<typeof TaskRecord>;

export const sessions = defineCollection(
  { name: 'translation_sessions', key: 'session_id', batchField: 'sessions' },
  SessionRecord,
);

export const tasks = defineCollection(
  {
    name: 'translation_tasks',
    key: 'task_id',
    batchField: 'tasks',
    parent: { collection: sessions.name, field: 'session_id' },
  },
  TaskRecord,
);

/** The collections of this module, parents first. */
export const translationCollections = [sessions, tasks] as const;
