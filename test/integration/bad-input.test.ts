import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Api, type ErrorAnswer } from '../support/api.ts';
import { aSession, aTask } from '../support/records.ts';
import { type ServiceProcess, startServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** Whatever a client sends: a clear refusal, nothing stored of it, and the service goes on. */

const base = '/api/v1/translation';
const sessionsBatch = `${base}/sessions/batch`;
const tasksBatch = `${base}/tasks/batch`;
const loneSurrogate = 'a\ud800b';
const megabyte = 1024 * 1024;

const folder = temporaryFolder();
const dataDir = join(folder.path, 'data');
let service: ServiceProcess;
let api: Api;
/** A session that is in storage; tasks of the bad batches belong to it. */
const home = aSession();

beforeAll(async () => {
  // Flushes come from the tests alone, so that what is buffered stays there.
  service = await startServiceProcess({ dataDir, environment: { BUFFER_FLUSH_INTERVAL: '3600' } });
  api = new Api(service.url);
  await api.sessions([home]);
  await api.flush();
});

afterAll(async () => {
  await service[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

describe('a body that is no batch is refused', () => {
  const cases: [what: string, body: string | Uint8Array<ArrayBuffer> | undefined, refusal: Refusal][] = [
    ['not JSON', '{"sessions": [', { status: 400, code: 'INVALID_JSON' }],
    ['more than one JSON value', '{"sessions":[]} {}', { status: 400, code: 'INVALID_JSON' }],
    ['not UTF-8', sessionNamed(0xff), { status: 400, code: 'INVALID_JSON' }],
    ['UTF-8 cut in a character', sessionNamed(0xe4, 0xbd), { status: 400, code: 'INVALID_JSON' }],
    ['a surrogate in UTF-8', sessionNamed(0xed, 0xa0, 0x80), { status: 400, code: 'INVALID_JSON' }],
    ['UTF-16', bytes(0xff, 0xfe, 0x7b, 0, 0x7d, 0), { status: 400, code: 'INVALID_JSON' }],
    ['no body', undefined, { status: 400, code: 'INVALID_JSON' }],
    ['an empty body', '', { status: 400, code: 'INVALID_JSON' }],
    ['white space', ' \n\t ', { status: 400, code: 'INVALID_JSON' }],
    ['brackets nested 100,000 deep', '['.repeat(100_000), { status: 400, code: 'INVALID_JSON' }],
    ['null', 'null', invalid('body')],
    ['a list', '[]', invalid('body')],
    ['a text', '"sessions"', invalid('body')],
    ['a number', '1', invalid('body')],
    ['an object without records', '{}', invalid('sessions')],
    ['records that are no list', '{"sessions":{}}', invalid('sessions')],
    ['no records', '{"sessions":[]}', invalid('sessions')],
    ['a record that is null', '{"sessions":[null]}', invalid('sessions[0]')],
    ['a record that is a list', '{"sessions":[[]]}', invalid('sessions[0]')],
  ];
  for (const [what, body, refusal] of cases) {
    test(what, async () => {
      expectRefusal(await send(sessionsBatch, body), refusal);
      await expectServiceGoesOn();
    });
  }
});

describe('a batch with one bad session is refused whole, and names the field', () => {
  const cases: [what: string, fields: Record<string, unknown>, refused: string[]][] = [
    ['no session_id', { session_id: undefined }, ['session_id']],
    ['an empty session_id', { session_id: '' }, ['session_id']],
    ['session_id null', { session_id: null }, ['session_id']],
    ['session_id a number', { session_id: 1 }, ['session_id']],
    ['session_id of 37 characters', { session_id: 's'.repeat(37) }, ['session_id']],
    ['session_id of 37 emoji', { session_id: '🐉'.repeat(37) }, ['session_id']],
    ['a lone surrogate in session_id', { session_id: loneSurrogate }, ['session_id']],
    ['a lone surrogate in filename', { filename: loneSurrogate }, ['filename']],
    ['filename of 256 characters', { filename: 'f'.repeat(256) }, ['filename']],
    ['file_path of 513 characters', { file_path: 'f'.repeat(513) }, ['file_path']],
    ['llm_provider of 51 characters', { llm_provider: 'p'.repeat(51) }, ['llm_provider']],
    ['filename null', { filename: null }, ['filename']],
    ['no status', { status: undefined }, ['status']],
    ['status null', { status: null }, ['status']],
    ['an unknown status', { status: 'paused' }, ['status']],
    ['a status in capitals', { status: 'PENDING' }, ['status']],
    ['metadata a text', { metadata: '{}' }, ['metadata']],
    ['metadata a list', { metadata: [] }, ['metadata']],
    ['metadata a number', { metadata: 1 }, ['metadata']],
    ['metadata nested 32 deep', { metadata: nested(32) }, ['metadata']],
    ['a lone surrogate in metadata', { metadata: { list: [{ text: loneSurrogate }] } }, ['metadata']],
    ['a lone surrogate in a key of metadata', { metadata: { in: { [loneSurrogate]: 1 } } }, ['metadata']],
    ['metadata of over 65,535 bytes', { metadata: { text: '字'.repeat(21_845) } }, ['metadata']],
    ['game_info a text', { game_info: 'RPG' }, ['game_info']],
    ['total_tasks below zero', { total_tasks: -1 }, ['total_tasks']],
    ['completed_tasks too large', { completed_tasks: 2_147_483_648 }, ['completed_tasks']],
    ['failed_tasks no integer', { failed_tasks: 1.5 }, ['failed_tasks']],
    ['processing_tasks a text', { processing_tasks: '1' }, ['processing_tasks']],
    ['total_tasks true', { total_tasks: true }, ['total_tasks']],
    [
      'several fields at once',
      { filename: 1, status: 'x', metadata: [], total_tasks: -1 },
      ['filename', 'status', 'metadata', 'total_tasks'],
    ],
  ];
  for (const [what, fields, refused] of cases) {
    test(what, async () => {
      const [before, after] = [aSession(), aSession()];
      const body = JSON.stringify({ sessions: [before, { ...aSession(), ...fields }, after] });
      expectRefusal(
        await send(sessionsBatch, body),
        invalid(...refused.map((field) => `sessions[1].${field}`)),
      );
      await expectNotStored(`${base}/sessions/${before.session_id}`, `${base}/sessions/${after.session_id}`);
      await expectServiceGoesOn();
    });
  }
});

describe('a batch with one bad task is refused whole, and names the field', () => {
  const cases: [what: string, fields: Record<string, unknown>, refused: string][] = [
    ['no task_id', { task_id: undefined }, 'task_id'],
    ['an empty task_id', { task_id: '' }, 'task_id'],
    ['task_id of 65 characters', { task_id: 't'.repeat(65) }, 'task_id'],
    ['a lone surrogate in task_id', { task_id: loneSurrogate }, 'task_id'],
    ['no session_id', { session_id: undefined }, 'session_id'],
    ['session_id of 37 characters', { session_id: 's'.repeat(37) }, 'session_id'],
    ['batch_id of 65 characters', { batch_id: 'b'.repeat(65) }, 'batch_id'],
    ['no batch_id', { batch_id: undefined }, 'batch_id'],
    ['sheet_name of 256 characters', { sheet_name: 's'.repeat(256) }, 'sheet_name'],
    ['column_name a list', { column_name: ['Text'] }, 'column_name'],
    ['no source_text', { source_text: undefined }, 'source_text'],
    ['source_text null', { source_text: null }, 'source_text'],
    ['source_text an object', { source_text: {} }, 'source_text'],
    ['a lone surrogate in source_text', { source_text: loneSurrogate }, 'source_text'],
    ['a lone surrogate in target_text', { target_text: '\udc00' }, 'target_text'],
    ['source_text of 65,536 bytes', { source_text: 'a'.repeat(65_536) }, 'source_text'],
    ['target_text of 65,538 bytes', { target_text: '字'.repeat(21_846) }, 'target_text'],
    ['context of 65,536 bytes', { context: '🐉'.repeat(16_384) }, 'context'],
    ['error_message of 65,536 bytes', { error_message: 'é'.repeat(32_768) }, 'error_message'],
    ['no status', { status: undefined }, 'status'],
    ['a status that only sessions have', { status: 'cancelled' }, 'status'],
    ['row_index null', { row_index: null }, 'row_index'],
    ['row_index below zero', { row_index: -1 }, 'row_index'],
    ['row_index a text', { row_index: '10' }, 'row_index'],
    ['row_index too large', { row_index: 2_147_483_648 }, 'row_index'],
    ['retry_count no integer', { retry_count: 0.5 }, 'retry_count'],
    ['duration_ms too large', { duration_ms: 1e12 }, 'duration_ms'],
    ['confidence 1.01', { confidence: 1.01 }, 'confidence'],
    ['confidence below zero', { confidence: -0.01 }, 'confidence'],
    ['confidence a text', { confidence: '0.95' }, 'confidence'],
    ['confidence true', { confidence: true }, 'confidence'],
    ['February 30', { start_time: '2025-02-30T00:00:00Z' }, 'start_time'],
    ['February 29 of a common year', { start_time: '2100-02-29T00:00:00Z' }, 'start_time'],
    ['the year 10000', { end_time: '10000-01-01T00:00:00Z' }, 'end_time'],
    ['the year 10000 with a sign', { end_time: '+010000-01-01T00:00:00Z' }, 'end_time'],
    ['the year 10000 once in UTC', { end_time: '9999-12-31T23:30:00-01:00' }, 'end_time'],
    ['the year 999', { end_time: '0999-12-31T23:59:59Z' }, 'end_time'],
    ['plain words for a time', { start_time: 'yesterday at noon' }, 'start_time'],
    ['an empty time', { start_time: '' }, 'start_time'],
    ['a time of 24 hours', { start_time: '2025-01-01T24:00:00Z' }, 'start_time'],
    ['an offset of 25 hours', { start_time: '2025-01-01T00:00:00+25:00' }, 'start_time'],
    ['a time as a number', { end_time: 1_759_226_400_000 }, 'end_time'],
  ];
  for (const [what, fields, refused] of cases) {
    test(what, async () => {
      const [before, after] = [aTask(home.session_id), aTask(home.session_id)];
      const body = JSON.stringify({ tasks: [before, { ...aTask(home.session_id), ...fields }, after] });
      expectRefusal(await send(tasksBatch, body), invalid(`tasks[1].${refused}`));
      await expectNotStored(`${base}/tasks/${before.task_id}`, `${base}/tasks/${after.task_id}`);
      await expectServiceGoesOn();
    });
  }

  test('a number beyond every range, which JSON can write', async () => {
    const task = aTask(home.session_id);
    const taskBody = JSON.stringify({ tasks: [{ ...task, duration_ms: 1 }] });
    const session = aSession({ metadata: { number: 1 } });
    const sessionBody = JSON.stringify({ sessions: [session] });
    expectRefusal(
      await send(tasksBatch, taskBody.replace('"duration_ms":1', '"duration_ms":1e400')),
      invalid('tasks[0].duration_ms'),
    );
    expectRefusal(
      await send(sessionsBatch, sessionBody.replace('"number":1', '"number":-1e400')),
      invalid('sessions[0].metadata'),
    );
    await expectNotStored(`${base}/tasks/${task.task_id}`, `${base}/sessions/${session.session_id}`);
    await expectServiceGoesOn();
  });

  test('1,001 records; nothing of the first 1,000 is stored', async () => {
    const tasks = Array.from({ length: 1001 }, () => aTask(home.session_id));
    expectRefusal(await send(tasksBatch, JSON.stringify({ tasks })), invalid('tasks'));
    const sessions = Array.from({ length: 1001 }, () => aSession());
    expectRefusal(await send(sessionsBatch, JSON.stringify({ sessions })), invalid('sessions'));
    await expectNotStored(
      `${base}/tasks/${tasks[0]?.task_id}`,
      `${base}/sessions/${sessions[0]?.session_id}`,
    );
    await expectServiceGoesOn();
  });

  test('the last of 1,000 is bad; nothing of the 999 others is stored', async () => {
    const tasks = Array.from({ length: 1000 }, () => aTask(home.session_id));
    const bad = { ...tasks[999], row_index: -1 };
    const answer = await send(tasksBatch, JSON.stringify({ tasks: tasks.with(999, bad as never) }));
    expectRefusal(answer, invalid('tasks[999].row_index'));
    await expectNotStored(`${base}/tasks/${tasks[0]?.task_id}`, `${base}/tasks/${tasks[998]?.task_id}`);
    await expectServiceGoesOn();
  });

  test('1,000 bad tasks: the answer names some and stays small', async () => {
    const answer = await send(
      tasksBatch,
      JSON.stringify({ tasks: Array.from({ length: 1000 }, () => ({})) }),
    );
    expect(answer.status).toBe(422);
    const { errors = [] } = JSON.parse(answer.text) as ErrorAnswer;
    expect(errors[0]?.field).toBe('tasks[0].task_id');
    expect(errors.length).toBeLessThanOrEqual(20);
    expect(answer.text.length).toBeLessThan(4096);
    await expectServiceGoesOn();
  });
});

test('what is just within the limits is accepted: characters are code points, not UTF-16 units', async () => {
  const session = aSession({
    session_id: '🐉'.repeat(36),
    filename: '🐉'.repeat(255),
    metadata: nested(31),
    total_tasks: 2_147_483_647,
  });
  const task = aTask(session.session_id, {
    task_id: '🐉'.repeat(64),
    source_text: 'a'.repeat(65_535),
    target_text: '字'.repeat(21_845),
    confidence: 1,
    start_time: '2024-02-29T23:59:59.999+14:00',
    end_time: '9999-12-31T23:59:59.999Z',
  });
  expect(await api.sessions([session])).toMatchObject({ status: 200 });
  expect(await api.tasks([task])).toMatchObject({ status: 200 });
  expect(await api.flush()).toMatchObject({ status: 200 });
  const stored = await api.get(`${base}/tasks/${encodeURIComponent(task.task_id)}`);
  expect(stored).toMatchObject({ status: 200, body: { ...task, start_time: '2024-02-29T09:59:59.999Z' } });
});

describe('a body over the limit is refused', () => {
  const tooLarge: Refusal = { status: 413, code: 'BODY_TOO_LARGE' };
  const session = aSession();
  const body = JSON.stringify({ sessions: [session] }).padEnd(20 * megabyte);

  test('20 MiB that announce their length', async () => {
    expectRefusal(await send(sessionsBatch, body), tooLarge);
    await expectNotStored(`${base}/sessions/${session.session_id}`);
    await expectServiceGoesOn();
  });

  test('20 MiB in chunks, without a length', async () => {
    const bytes = Buffer.from(body);
    let sent = 0;
    const chunked = new ReadableStream({
      pull(controller) {
        if (sent === bytes.length) return controller.close();
        controller.enqueue(bytes.subarray(sent, sent + megabyte));
        sent += megabyte;
      },
    });
    expectRefusal(await send(sessionsBatch, chunked), tooLarge);
    await expectNotStored(`${base}/sessions/${session.session_id}`);
    await expectServiceGoesOn();
  });

  test('the answer is there before a client that announces 20 MiB has sent them', async () => {
    const answer = await answerWhileSending(`Content-Length: ${body.length}`, [body.slice(0, 65_536)]);
    expectRefusal(answer, tooLarge);
    await expectServiceGoesOn();
  });

  test('the answer is there before a client that sends chunks without an end has finished', async () => {
    const chunk = `${megabyte.toString(16)}\r\n${' '.repeat(megabyte)}\r\n`;
    const answer = await answerWhileSending('Transfer-Encoding: chunked', Array(17).fill(chunk));
    expectRefusal(answer, tooLarge);
    await expectServiceGoesOn();
  });
});

describe('a task needs a session, and keeps it', () => {
  test('an unknown session refuses the batch and names its rows', async () => {
    const [first, second] = [aTask(home.session_id), aTask(home.session_id)];
    const unknown = crypto.randomUUID();
    const answer = await sendTasks([first, aTask(unknown), second, aTask(unknown)]);
    expectRefusal(answer, {
      status: 422,
      code: 'SESSION_NOT_FOUND',
      fields: ['tasks[1].session_id', 'tasks[3].session_id'],
    });
    expect(JSON.parse(answer.text)).toMatchObject({ session_id: unknown });
    await expectNotStored(`${base}/tasks/${first.task_id}`, `${base}/tasks/${second.task_id}`);
    await expectServiceGoesOn();
  });

  test('a task that names two sessions within one batch refuses the batch', async () => {
    const other = aSession();
    await api.sessions([other]);
    const task = aTask(home.session_id);
    const neighbour = aTask(home.session_id);
    const answer = await sendTasks([task, neighbour, { ...task, session_id: other.session_id }]);
    expectRefusal(answer, mismatch('tasks[2].session_id'));
    await expectNotStored(`${base}/tasks/${task.task_id}`, `${base}/tasks/${neighbour.task_id}`);
    await expectServiceGoesOn();
  });

  test('a task that is buffered under another session refuses the batch, and stays as it was', async () => {
    const other = aSession();
    await api.sessions([other]);
    const task = aTask(home.session_id, { target_text: 'mine' });
    await api.tasks([task]);
    const neighbour = aTask(other.session_id);
    const answer = await sendTasks([
      neighbour,
      { ...task, session_id: other.session_id, target_text: 'stolen' },
    ]);
    expectRefusal(answer, mismatch('tasks[1].session_id'));
    await expectNotStored(`${base}/tasks/${neighbour.task_id}`);
    expect(await api.get(`${base}/tasks/${task.task_id}`)).toMatchObject({ body: task });
    await expectServiceGoesOn();
  });

  test('a task that is stored under another session is accepted, quarantined, and stays as it was', async () => {
    const other = aSession();
    await api.sessions([other]);
    const task = aTask(home.session_id, { target_text: 'mine' });
    await api.tasks([task]);
    await api.flush();
    const before = await quarantined();
    const neighbours = [aTask(other.session_id), aTask(other.session_id)] as const;
    const stray = { ...task, session_id: other.session_id, target_text: 'stolen', status: 'completed' };
    expect(await sendTasks([neighbours[0], stray, neighbours[1]])).toMatchObject({ status: 200 });
    expect(await api.flush()).toMatchObject({ status: 200, body: { status: 'flushed' } });
    expect(await api.get(`${base}/tasks/${task.task_id}`)).toMatchObject({ status: 200, body: task });
    for (const neighbour of neighbours)
      expect(await api.get(`${base}/tasks/${neighbour.task_id}`)).toMatchObject({ body: neighbour });
    expect(await quarantined()).toBe(before + 1);
    await expectServiceGoesOn();
  });
});

describe('what is not there answers 404', () => {
  const unknownId = 'no-such-id';
  const cases: [method: string, path: string, refusal: Refusal, extra?: Record<string, unknown>][] = [
    ['GET', '/nothing/here', { status: 404, code: 'ROUTE_NOT_FOUND' }],
    ['GET', `${base}/`, { status: 404, code: 'ROUTE_NOT_FOUND' }],
    ['GET', '/..%2f..%2fetc/passwd', { status: 404, code: 'ROUTE_NOT_FOUND' }],
    ['PUT', `${base}/flush`, { status: 404, code: 'ROUTE_NOT_FOUND' }],
    ['DELETE', '/health', { status: 404, code: 'ROUTE_NOT_FOUND' }],
    [
      'GET',
      `${base}/sessions/${unknownId}`,
      { status: 404, code: 'NOT_FOUND' },
      { detail: 'Session not found', session_id: unknownId },
    ],
    [
      'GET',
      `${base}/sessions/${unknownId}/tasks`,
      { status: 404, code: 'NOT_FOUND' },
      { detail: 'Session not found', session_id: unknownId },
    ],
    [
      'POST',
      `${base}/recovery/restore/${unknownId}`,
      { status: 404, code: 'NOT_FOUND' },
      { detail: 'Session not found', session_id: unknownId },
    ],
    ['GET', `${base}/tasks/${unknownId}`, { status: 404, code: 'NOT_FOUND' }, { task_id: unknownId }],
  ];
  for (const [method, path, refusal, extra = {}] of cases) {
    test(`${method} ${path}`, async () => {
      const answer = await received(await fetch(service.url + path, { method }));
      expectRefusal(answer, refusal);
      expect(JSON.parse(answer.text)).toMatchObject(extra);
    });
  }
});

describe('a bad query parameter is refused and named', () => {
  const cases: [query: string, field: string][] = [
    ['page=0', 'page'],
    ['page=-1', 'page'],
    ['page=-0', 'page'],
    ['page=1.5', 'page'],
    ['page=one', 'page'],
    ['page=', 'page'],
    ['page=99999999999999999999', 'page'],
    ['page=1e400', 'page'],
    ['page_size=0', 'page_size'],
    ['page_size=-5', 'page_size'],
    ['page_size=many', 'page_size'],
    ['status=unknown', 'status'],
    ['status=cancelled', 'status'],
    ['status=', 'status'],
  ];
  for (const [query, field] of cases) {
    test(query, async () => {
      const path = `${base}/sessions/${home.session_id}/tasks?${query}`;
      expectRefusal(await received(await fetch(service.url + path)), invalid(field));
      await expectServiceGoesOn();
    });
  }
});

test('an id in the path that is no UTF-8 is refused and named', async () => {
  for (const [path, field] of [
    [`${base}/sessions/%ff`, 'session_id'],
    [`${base}/sessions/%zz/tasks`, 'session_id'],
    [`${base}/tasks/%e4%bd`, 'task_id'],
  ] as const) {
    expectRefusal(await received(await fetch(service.url + path)), invalid(field));
  }
});

test('a client’s own request id comes back, unless it could forge a log line', async () => {
  const ask = (id: string) => fetch(`${service.url}/nothing`, { headers: { 'x-request-id': id } });
  const own = await received(await ask('client-7:a.b'));
  expectRefusal(own, { status: 404, code: 'ROUTE_NOT_FOUND' });
  expect(own.requestId).toBe('client-7:a.b');
  for (const id of ['a b', 'x'.repeat(129), '{"level":"ERROR"}']) {
    const answer = await received(await ask(id));
    expectRefusal(answer, { status: 404, code: 'ROUTE_NOT_FOUND' });
    expect(answer.requestId).not.toBe(id);
  }
});

/** How a request is refused; `fields`: the paths in `errors`, in their order. */
interface Refusal {
  status: number;
  code: string;
  fields?: string[];
}

function invalid(...fields: string[]): Refusal {
  return { status: 422, code: 'VALIDATION_FAILED', fields };
}

function mismatch(...fields: string[]): Refusal {
  return { status: 422, code: 'TASK_SESSION_MISMATCH', fields };
}

interface Received {
  status: number;
  requestId: string | null;
  text: string;
}

async function received(response: Response): Promise<Received> {
  return {
    status: response.status,
    requestId: response.headers.get('x-request-id'),
    text: await response.text(),
  };
}

async function send(
  path: string,
  body: string | Uint8Array<ArrayBuffer> | ReadableStream | undefined,
): Promise<Received> {
  const headers = { 'content-type': 'application/json' };
  return received(await fetch(service.url + path, { method: 'POST', headers, ...(body && { body }) }));
}

function sendTasks(tasks: readonly unknown[]): Promise<Received> {
  return send(tasksBatch, JSON.stringify({ tasks }));
}

/** Sends a POST that never comes to its end, and reads the answer while it is still being sent. */
async function answerWhileSending(header: string, parts: readonly string[]): Promise<Received> {
  const { host, hostname, port } = new URL(service.url);
  const socket = connect({ host: hostname, port: Number(port) });
  const whole = Promise.withResolvers<string>();
  let text = '';
  socket.on('data', (data) => {
    text += data.toString('latin1');
    const [head = '', body] = text.split('\r\n\r\n');
    const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? Number.NaN);
    if (body !== undefined && body.length >= length) whole.resolve(text);
  });
  socket.on('error', whole.reject);
  socket.on('close', () => whole.reject(new Error(`The connection was closed after: ${text}`)));
  socket.write(`POST ${sessionsBatch} HTTP/1.1\r\nHost: ${host}\r\n${header}\r\n\r\n`);
  for (const part of parts) socket.write(part);
  try {
    const [head = '', body = ''] = (await whole.promise).split('\r\n\r\n');
    return {
      status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]),
      requestId: /^x-request-id: (.+)$/im.exec(head)?.[1] ?? null,
      text: body,
    };
  } finally {
    socket.destroy();
  }
}

function expectRefusal({ status, requestId, text }: Received, refusal: Refusal): void {
  expect({ status, text }).toEqual({ status: refusal.status, text: expect.stringMatching(/^\{.*\}$/) });
  const answer = JSON.parse(text) as ErrorAnswer;
  expect(answer.error_code).toBe(refusal.code);
  expect(answer.errors?.map(({ field }) => field)).toEqual(refusal.fields);
  for (const { message } of answer.errors ?? []) expect(message).not.toBeEmpty();
  expect(answer.detail).not.toBeEmpty();
  expect(answer.request_id).not.toBeEmpty();
  expect(requestId).toBe(answer.request_id);
  for (const secret of internals) expect(text).not.toMatch(secret);
}

/** What no answer may tell: SQL, the driver's errors, places on the server, stacks. */
const internals = [
  /\b(SELECT|INSERT INTO|UPDATE .+ SET|DELETE FROM|CREATE TABLE|ON CONFLICT|PRAGMA)\b/,
  /SQLITE|\bER_[A-Z]|mysql|drizzle/i,
  /node_modules|\.ts\b|\bat .+:\d+|\n {2,}at /,
  new RegExp(RegExp.escape(folder.path)),
  new RegExp(RegExp.escape(join(import.meta.dir, '../..'))),
];

async function expectNotStored(...paths: string[]): Promise<void> {
  expect(await api.flush()).toMatchObject({ status: 200 });
  for (const path of paths) expect(await api.get(path)).toMatchObject({ status: 404 });
}

async function expectServiceGoesOn(): Promise<void> {
  expect(await api.get('/health')).toMatchObject({ status: 200, body: { status: 'healthy' } });
  expect(await api.sessions([aSession()])).toMatchObject({
    status: 200,
    body: { status: 'accepted', count: 1 },
  });
}

async function quarantined(): Promise<number> {
  const { body } = await api.get<{ quarantine: { records: number } }>('/health');
  return body.quarantine.records;
}

/** An object that is nested so many levels deep. */
function nested(levels: number): Record<string, unknown> {
  return levels === 1 ? {} : { in: nested(levels - 1) };
}

/** A batch with one good session, but for the bytes in its filename. */
function sessionNamed(...values: number[]): Uint8Array<ArrayBuffer> {
  const [before = '', after = ''] = JSON.stringify({ sessions: [aSession({ filename: '|' })] }).split('|');
  return Uint8Array.from([...Buffer.from(before), ...values, ...Buffer.from(after)]);
}

function bytes(...values: number[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(values);
}

test('an unknown field is ignored whatever is in it: a hundred thousand levels stop no flush', async () => {
  const session = aSession();
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
  const text = JSON.stringify({ sessions: [session] }).replace('}]}', `,"unknown":${deep}}]}`);
  expect((await api.post(`${base}/sessions/batch`, text)).status).toBe(200);
  expect((await api.flush()).status).toBe(200);
  expect((await api.get(`${base}/sessions/${session.session_id}`)).status).toBe(200);
});
