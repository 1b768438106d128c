import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { gameSession } from '../support/game-session.ts';
import type { StorageKind } from './bench.ts';
import { type Filler, MysqlFiller, type Row, SqliteFiller } from './filler.ts';
import { loadSession } from './load/batches.ts';
import type { MysqlServer } from './mysql-server.ts';

/** A database full of sessions and tasks; disposing of it deletes it unless it is kept for later runs. */
export interface Dataset extends AsyncDisposable {
  url: string;
  tasks: number;
  sessions: number;
}

/** The session that has a tenth of all tasks, all of them pending. */
export const bigSessionId = 'big-session';

const copyTasks = 10_000;
const copySessions = 100;
const tasksOfSession = 90;
const bigTasksOfCopy = copyTasks - copySessions * tasksOfSession;
/** When the first session was accepted; a copy's are a minute later than those of the copy before. */
const firstMs = Date.UTC(2025, 0, 1);

interface Parts {
  schema: string;
  folder: string;
  keep: boolean;
  mysql: () => Promise<MysqlServer>;
  migrate: (url: string) => Promise<void>;
}

/**
 * Makes a database with so many tasks, or takes the one that is kept. There are 100 sessions of 90 tasks with their
 * own texts; the rest are copies of them under other ids, made inside the database, since that is quick. A tenth of
 * the tasks belong to one big session.
 */
export async function openDataset(storage: StorageKind, tasks: number, parts: Parts): Promise<Dataset> {
  const copies = Math.round(tasks / copyTasks);
  const name = `bench_${copies * copyTasks}_${parts.schema}`;
  const url =
    storage === 'sqlite' ? await sqliteDataset(name, copies, parts) : await mysqlDataset(name, copies, parts);
  return {
    url,
    tasks: copies * copyTasks,
    sessions: copies * copySessions + 1,
    async [Symbol.asyncDispose]() {
      if (parts.keep) return;
      if (storage === 'sqlite') rmSync(url.slice('sqlite:'.length), { force: true });
      else await (await parts.mysql()).execute(`DROP DATABASE IF EXISTS ${name}`);
    },
  };
}

async function sqliteDataset(name: string, copies: number, parts: Parts): Promise<string> {
  const path = join(parts.folder, `${name}.sqlite`);
  const unfinished = `${path}.unfinished`;
  if (!existsSync(path)) {
    rmSync(unfinished, { force: true });
    await parts.migrate(`sqlite:${unfinished}`);
    const filler = new SqliteFiller(unfinished);
    await fill(filler, copies);
    await filler.close();
    renameSync(unfinished, path);
  }
  return `sqlite:${path}`;
}

async function mysqlDataset(name: string, copies: number, parts: Parts): Promise<string> {
  const server = await parts.mysql();
  const url = server.urlOf(name);
  const isFull = await server.has(name, 'bench_complete');
  if (!isFull) {
    await server.execute(`DROP DATABASE IF EXISTS ${name}`);
    await server.execute(`CREATE DATABASE ${name}`);
    await parts.migrate(url);
    const filler = await MysqlFiller.open(url);
    await fill(filler, copies);
    await filler.close();
    await server.execute(`CREATE TABLE ${name}.bench_complete (id INT)`);
  }
  return url;
}

async function fill(filler: Filler, copies: number): Promise<void> {
  const { sessions, tasks } = originals(copies);
  await filler.insert('translation_sessions', sessions);
  await filler.insert('translation_tasks', tasks);
  for (let copy = 0; copy < copies; copy += 1) await filler.copy(copy, bigTasksOfCopy, bigSessionId);
}

/** The first copy: ids begin with `c000000`, in whose place later copies have their own number. */
function originals(copies: number): { sessions: Row[]; tasks: Row[] } {
  const files = Array.from({ length: copySessions }, (_, index) => gameSession(tasksOfSession, index + 1));
  const big = envelope(
    { ...files[0]?.session, session_id: bigSessionId, total_tasks: copies * bigTasksOfCopy },
    0,
  );
  const sessions = files.map(({ session }, index) =>
    envelope(
      {
        ...session,
        session_id: copied(session.session_id.slice(8)),
        filename: index % 10 === 0 ? 'rpg-chapter.xlsx' : session.filename,
        status: sessionStatuses[index % sessionStatuses.length],
        llm_provider: providers[index % providers.length],
      },
      index,
    ),
  );
  const tasks = files.flatMap(({ finished }, index) =>
    finished.map((task) =>
      envelope(
        { ...task, task_id: copied(task.task_id), session_id: copied(task.session_id.slice(8)) },
        index,
      ),
    ),
  );
  return { sessions: [big, ...sessions], tasks };
}

const sessionStatuses = ['processing', 'completed', 'completed', 'completed', 'failed'];
const providers = ['openai', 'anthropic', 'qwen'];

function copied(id: string): string {
  return `c000000${id}`;
}

/** With the times and the version that storage adds; those of a session's tasks are equal, as those of a batch are. */
function envelope(record: object, second: number): Row {
  const acceptedMs = firstMs + second * 500;
  return {
    ...record,
    created_at: acceptedMs,
    updated_at: acceptedMs + 3_600_000,
    version: acceptedMs * 1000,
  };
}

/** The id of a stored session, drawn at random. */
export function storedSessionId({ sessions }: Dataset, random: () => number): string {
  const number = Math.floor(random() * (sessions - 1));
  return `c${copyOf(number)}-0000-4000-8000-${String((number % copySessions) + 1).padStart(12, '0')}`;
}

/** The id of a stored task, drawn at random. */
export function storedTaskId({ sessions }: Dataset, random: () => number): string {
  const number = Math.floor(random() * (sessions - 1));
  const row = Math.floor(random() * tasksOfSession);
  return `c${copyOf(number)}task_${(number % copySessions) + 1}_${row}`;
}

function copyOf(sessionNumber: number): string {
  return String(Math.floor(sessionNumber / copySessions)).padStart(6, '0');
}

/** Removes what a load has written to a dataset. */
export async function removeLoad(storage: StorageKind, { url }: Dataset): Promise<void> {
  const filler =
    storage === 'sqlite' ? new SqliteFiller(url.slice('sqlite:'.length)) : await MysqlFiller.open(url);
  await filler.remove(loadSession.session_id);
  await filler.close();
}
