import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { TaskRecord } from '../../src/modules/translation/records.ts';
import { type Answer, Api, type ErrorAnswer } from '../support/api.ts';
import { paste } from '../support/printed-session.ts';
import { aSession, aTask } from '../support/records.ts';
import { type ServiceProcess, startServiceProcess } from '../support/service-process.ts';
import { storages, type TestDatabase } from '../support/storages.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { firstApi } from './specification/first-api.ts';
import {
  type Difference,
  differences,
  type PrintedDocument,
  type PrintedSection,
  printedJson,
} from './specification/printed.ts';
import { translationApi } from './specification/translation-api.ts';

/** Every example that the two API documents print works as printed, but for these exceptions. */
interface Exception {
  document: PrintedDocument;
  section: string;
  path: string;
  reason: string;
}

const utc = 'times are written in UTC, and say so';
const ownVersion = 'the version is that of the program';
const ownSentence = 'the sentence says what is wrong with this request';
const exceptions: readonly Exception[] = [
  {
    document: translationApi,
    section: '3.1',
    path: 'errors[].field',
    reason: 'a batch has many records: a field is named by its path',
  },
  { document: translationApi, section: '3.1', path: 'errors[].message', reason: ownSentence },
  { document: translationApi, section: '3.1', path: 'detail', reason: ownSentence },
  {
    document: translationApi,
    section: '5.1',
    path: 'count',
    reason: 'three are counted and two printed; the count is that of the list',
  },
  {
    document: translationApi,
    section: '6.2',
    path: 'dry_run',
    reason: 'two calls are printed and one answer, which is that of the second',
  },
  { document: translationApi, section: '7.1', path: 'version', reason: ownVersion },
  { document: firstApi, section: '1.1', path: 'version', reason: ownVersion },
  { document: firstApi, section: '1.2', path: 'buffer.last_flush', reason: utc },
  { document: firstApi, section: '2.1', path: 'timestamp', reason: utc },
  { document: firstApi, section: '2.1', path: 'detail', reason: ownSentence },
  { document: firstApi, section: '2.2', path: 'timestamp', reason: utc },
  { document: firstApi, section: '2.2', path: 'detail', reason: ownSentence },
  { document: firstApi, section: '3.2', path: 'flush_info.last_flush_time', reason: utc },
  { document: firstApi, section: '3.2', path: 'flush_info.next_flush_time', reason: utc },
];
const exceptionsMet = new Set<Exception>();

const sessionId = '550e8400-e29b-41d4-a716-446655440000';
const printedSession = {
  session_id: sessionId,
  filename: 'game.xlsx',
  file_path: '/uploads/game.xlsx',
  status: 'processing',
  game_info: { game_name: 'Fantasy RPG', source_language: 'en', target_language: 'zh' },
  llm_provider: 'openai',
  metadata: { user_id: 'user_123' },
  total_tasks: 1000,
  completed_tasks: 350,
  failed_tasks: 5,
  processing_tasks: 10,
} as const;
const unfinishedSession = { ...printedSession, failed_tasks: 10, processing_tasks: 0 };

/** A task of the printed session, named and placed as the documents do. */
function printedTask(number: number, fields: Partial<TaskRecord> = {}): TaskRecord {
  return aTask(sessionId, {
    task_id: `task_${String(number).padStart(3, '0')}`,
    batch_id: `batch_${String(Math.floor(number / 10) + 1).padStart(3, '0')}`,
    row_index: number - 1,
    ...fields,
  });
}

const printedTasks = (from: number, to: number, fields: Partial<TaskRecord> = {}): TaskRecord[] =>
  Array.from({ length: to - from + 1 }, (_, index) => printedTask(from + index, fields));

/** What makes a section's answer come out as printed. */
interface Situation {
  /** Brings the service to what the answer shows; before every call. */
  prepare?: (api: Api) => Promise<void>;
  /** The path of a value that is another every time, or of an object of such; their types are compared. */
  varying?: readonly string[];
  /** What gets the printed error. */
  mistake?: (api: Api) => Promise<Answer<unknown>>;
}

async function stored(api: Api, session: object, tasks: readonly TaskRecord[] = []): Promise<void> {
  expect((await api.sessions([session])).status).toBe(200);
  if (tasks.length > 0) expect((await api.tasks(tasks)).status).toBe(200);
  expect((await api.flush()).status).toBe(200);
}

async function buffered(api: Api, sessions: number, tasks: number): Promise<void> {
  await api.flush();
  const ids = Array.from({ length: sessions }, (_, number) => `buffered-${number}`);
  await api.sessions(ids.map((id) => aSession({ session_id: id, status: 'completed' })));
  await api.tasks(
    Array.from({ length: tasks }, (_, number) => aTask('buffered-0', { task_id: `b-${number}` })),
  );
}

const nothingGiven = (api: Api) => api.sessions<unknown>([{ ...printedSession, session_id: undefined }]);

async function deletedSession(api: Api): Promise<Answer<unknown>> {
  const path = `/api/v1/translation/sessions/${sessionId}`;
  await api.delete(path);
  return await api.get(path);
}

const situations = new Map<PrintedDocument, Readonly<Record<string, Situation>>>([
  [
    translationApi,
    {
      '3.1': { mistake: nothingGiven },
      '3.3': { prepare: (api) => buffered(api, 10, 850), varying: ['duration_ms'] },
      '4.1': { prepare: (api) => stored(api, printedSession), varying: ['total', 'total_pages'] },
      '4.2': { prepare: (api) => stored(api, printedSession), mistake: deletedSession },
      '4.3': {
        prepare: (api) =>
          stored(api, printedSession, [
            ...printedTasks(2, 5, { status: 'failed' }),
            {
              ...printedTask(1, {
                status: 'failed',
                error_message: 'API rate limit exceeded',
                retry_count: 3,
              }),
              ...{ row_index: 10, target_text: null, confidence: null },
            },
          ]),
      },
      '4.4': {
        prepare: (api) =>
          stored(api, printedSession, [
            (printedJson(sectionOf(translationApi, '3.2').body ?? '') as { tasks: [TaskRecord] }).tasks[0],
          ]),
      },
      '4.5': { varying: ['total', 'total_pages'] },
      '5.1': {
        prepare: async (api) => {
          await stored(api, unfinishedSession);
          await stored(
            api,
            aSession({
              session_id: '660f9511-f3ac-52e5-b827-557766551111',
              filename: 'game2.xlsx',
              status: 'pending',
              total_tasks: 500,
            }),
          );
        },
      },
      '5.2': { prepare: (api) => stored(api, unfinishedSession, printedTasks(351, 990)) },
      '6.1': { prepare: (api) => stored(api, printedSession, printedTasks(1, 1000)) },
      '6.2': { varying: ['deleted_sessions', 'deleted_tasks'] },
      '6.3': {
        prepare: (api) =>
          stored(api, { ...printedSession, status: 'completed' }, [
            printedTask(1, { status: 'completed', duration_ms: 5200 }),
          ]),
        varying: ['sessions', 'tasks', 'performance', 'storage'],
      },
      '7.1': { varying: ['buffer', 'uptime_seconds'] },
      错误响应格式: { mistake: nothingGiven, varying: ['detail', 'error_code', 'errors'] },
    },
  ],
  [
    firstApi,
    {
      '1.2': {
        prepare: (api) => stored(api, aSession()),
        varying: ['buffer.sessions_count', 'buffer.tasks_count'],
      },
      '2.1': { mistake: (api) => api.post('/api/v1/persistence/sessions/batch', { sessions: [{}] }) },
      '2.2': {
        mistake: (api) => api.post('/api/v1/persistence/tasks/batch', { tasks: [aTask('never sent')] }),
      },
      '3.1': { prepare: (api) => buffered(api, 150, 850), varying: ['duration_ms'] },
      '3.2': { varying: ['buffer', 'flush_info', 'performance'] },
      '8.2': { prepare: (api) => stored(api, aSession({ session_id: 'test_session' })) },
      '8.3': { varying: ['duration_ms'] },
    },
  ],
]);

test('the examples cover every endpoint that the list of endpoints has, and no other', () => {
  const withoutNames = (endpoint: string): string => endpoint.replaceAll(/\{\w+\}/g, '{}');
  const listed = [...(translationApi.endpoints ?? '').matchAll(/\| (\/\S+) \| (\w+) \|/g)].map(
    ([, path, method]) => withoutNames(`${method} ${path}`),
  );
  const shown = translationApi.sections.flatMap(({ endpoint }) => endpoint ?? []).map(withoutNames);
  expect(listed).toHaveLength(15);
  expect(shown.toSorted()).toEqual(listed.toSorted());
});

// The shapes do not differ between servers: the embedded storage and one server are enough.
for (const storage of new Set([storages[0], storages.at(-1)].filter((each) => each !== undefined))) {
  for (const document of [translationApi, firstApi]) {
    describe(`${document.name} on ${storage.name}`, () => {
      const folder = temporaryFolder();
      let database: TestDatabase;
      let service: ServiceProcess;
      let api: Api;

      beforeAll(async () => {
        database = await storage.create();
        service = await startServiceProcess({
          dataDir: folder.path,
          databaseUrl: database.url,
          // No flush but those that are asked for.
          environment: { BUFFER_MAX_BUFFER_SIZE: '10000' },
        });
        api = new Api(service.url);
      });

      afterAll(async () => {
        await service[Symbol.asyncDispose]();
        await database[Symbol.asyncDispose]();
        folder[Symbol.dispose]();
      });

      for (const section of document.sections) {
        const { prepare, mistake } = situationOf(document, section);
        for (const call of callsOf(section)) {
          test(`${section.heading}: ${call.split('\n', 1)}`, async () => {
            await prepare?.(api);
            const answers = await answersTo(call, section.body, service.url);
            expect(answers).not.toBeEmpty();
            for (const { status, text } of answers) {
              expect({ status, text }).toMatchObject({ status: 200 });
              expect(wrong(document, section, section.answer ?? '', text)).toEqual([]);
            }
          });
        }
        for (const [name, example] of Object.entries(section.parameters ?? {})) {
          test(`${section.heading}: ${name}`, async () => {
            const value = example === '' ? otherExamples[name] : example;
            const call = (section.endpoint ?? '').replace('{session_id}', sessionId);
            const [answer] = await answersTo(`${call}?${name}=${value}`, undefined, service.url);
            expect(answer?.status).toBe(200);
            expect(wrongTypes(section, answer?.text ?? '')).toEqual([]);
          });
        }
        if (section.error !== undefined) {
          test(`${section.heading}: the error`, async () => {
            const answer = await mistake?.(api);
            expect(answer?.status).toBeOneOf([404, 422]);
            expect(wrong(document, section, section.error ?? '', JSON.stringify(answer?.body))).toEqual([]);
          });
        }
      }
    });
  }
}

test('no exception is out of date', () => {
  expect(exceptions.filter((exception) => !exceptionsMet.has(exception))).toEqual([]);
});

test('the printed batch of a session that was never sent (§8.2 of the first API) is refused: sessions come first', async () => {
  using folder = temporaryFolder();
  await using service = await startServiceProcess({ dataDir: folder.path });
  const [call = ''] = sectionOf(firstApi, '8.2').calls ?? [];
  const [answer] = await answersTo(call, undefined, service.url);
  expect(answer?.status).toBe(422);
  expect(JSON.parse(answer?.text ?? '') as ErrorAnswer).toMatchObject({ error_code: 'SESSION_NOT_FOUND' });
});

/** Examples for parameters whose own section has none. */
const otherExamples: Readonly<Record<string, string>> = {
  ...sectionOf(translationApi, '4.1').parameters,
  session_id: sessionId,
  sheet_name: 'Dialogue',
};

function sectionOf({ sections }: PrintedDocument, number: string): PrintedSection {
  const section = sections.find(({ heading }) => numberOf(heading) === number);
  if (section === undefined) throw new Error(`No section ${number}`);
  return section;
}

function situationOf(document: PrintedDocument, { heading }: PrintedSection): Situation {
  return situations.get(document)?.[numberOf(heading)] ?? {};
}

function numberOf(heading: string): string {
  return heading.split(' ', 1)[0] ?? '';
}

/** The calls that are printed; the endpoint itself where it has a printed body, or no call. */
function callsOf({ endpoint, body, calls = [] }: PrintedSection): string[] {
  const asSection = endpoint !== undefined && (body !== undefined || calls.length === 0);
  return asSection ? [endpoint, ...calls] : [...calls];
}

interface CallAnswer {
  status: number;
  text: string;
}

/** Does what is printed: a method with a path, or shell commands, each of which gives an answer. */
async function answersTo(call: string, body: string | undefined, url: string): Promise<CallAnswer[]> {
  const [, method, path] = /^(GET|POST) (\/\S*)$/.exec(call) ?? [];
  if (method !== undefined) {
    const response = await fetch(`${url}${path}`, { method, body: body ?? null });
    return [{ status: response.status, text: await response.text() }];
  }
  const output = await paste(`curl() { command curl -sS -w '\\n%{http_code}\\n' "$@"; }\n${call}`, url);
  return [...output.matchAll(/^(.*)\n(\d{3})$/gm)].map(([, text = '', status]) => ({
    status: Number(status),
    text,
  }));
}

/** What is not as printed, but for exceptions and values that vary. */
function wrong(document: PrintedDocument, section: PrintedSection, printed: string, text: string): unknown[] {
  if (printed.startsWith('# HELP')) return missingMetrics(printed, text);
  const { varying = [] } = situationOf(document, section);
  return differences(printedJson(printed), JSON.parse(text)).filter(({ path, of }) => {
    const exception = exceptions.find(
      (each) =>
        each.document === document && each.section === numberOf(section.heading) && each.path === path,
    );
    if (exception !== undefined) exceptionsMet.add(exception);
    const varies = of === 'value' && varying.some((name) => path.startsWith(name));
    return exception === undefined && !varies;
  });
}

function wrongTypes({ answer = '' }: PrintedSection, text: string): Difference[] {
  const page = printedJson(answer) as { items: unknown[] };
  return differences({ ...page, items: [] }, JSON.parse(text)).filter(({ of }) => of === 'type');
}

/** The printed lines of metrics that say what a metric is, or give a value of it, and have no like. */
function missingMetrics(printed: string, text: string): string[] {
  const lines = text.split('\n');
  const isThere = (line: string): boolean => {
    const [, name, labels = ''] = /^(\w+)(?:\{(.*)\})? \d+$/.exec(line) ?? [];
    if (name === undefined) return lines.includes(line);
    const wanted = labels.split(',');
    return lines.some((each) => each.startsWith(name) && wanted.every((label) => each.includes(label)));
  };
  return printed.split('\n').filter((line) => !isThere(line));
}
