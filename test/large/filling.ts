import { loadConfig } from '../../src/config/load.ts';
import { sessions, type TaskRecord, tasks } from '../../src/modules/translation/records.ts';
import { createStorage } from '../../src/start.ts';
import type { PendingRecord } from '../../src/storage/contract.ts';
import { aSession, aTask } from '../support/records.ts';

export interface Amount {
  sessions: number;
  tasks: number;
}

/** Every other session is completed: a third of these since each of so many days. */
export const completedDays = [4, 3, 2] as const;

/** Since when a session is completed; undefined for one that is being worked on. */
export const completedDaysOf = (session: number): number | undefined =>
  session % 2 === 0 ? completedDays[(session / 2) % completedDays.length] : undefined;

const sessionId = (number: number): string => `session-${scattered(number)}-${number}`;

/** Ids are in no order, as hashes are: neighbours in time are none in an index of ids. */
const taskId = (number: number): string => `task-${scattered(number)}-${number}`;

/** The number of a task, from its id. */
export const numberOf = ({ task_id }: { task_id: string }): number => Number(task_id.split('-').at(-1));

/** A task by its number and that of its session. */
export function numberedTask(number: number, session: number, fields: Partial<TaskRecord> = {}): TaskRecord {
  return aTask(sessionId(session), {
    task_id: taskId(number),
    row_index: number,
    source_text: `Line ${number}: Hello, adventurer! You need 3 more keys to open the gate.`,
    target_text: `第 ${number} 行：你好，冒险者！还需要三把钥匙才能打开大门。`,
    status: 'completed',
    duration_ms: 1000 + (number % 9000),
    ...fields,
  });
}

/** The session of a filled task: the tasks of one session follow each other. */
export const sessionOf = (number: number, amount: Amount): number =>
  Math.floor((number * amount.sessions) / amount.tasks);

const rowsOfOneWrite = 1000;
const writesAtATime = 2;
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** Writes so much straight to storage; all tasks were accepted before now. */
export async function fill(databaseUrl: string, amount: Amount): Promise<void> {
  const registry = await createStorage(loadConfig({ flags: {}, environment: { DATABASE_URL: databaseUrl } }));
  const backend = registry.backendOf(tasks);
  await backend.open();
  const startMs = Date.now() - 2 * hourMs;
  const filledTask = (number: number): PendingRecord => {
    // Those of one write came in one batch, in one millisecond, and were updated later, in another order.
    const batch = Math.floor(number / rowsOfOneWrite) / Math.ceil(amount.tasks / rowsOfOneWrite);
    const createdMs = startMs + Math.floor(batch * hourMs);
    return {
      record: numberedTask(number, sessionOf(number, amount)),
      firstVersion: createdMs * 1000,
      version: (createdMs + (Number.parseInt(scattered(number), 16) % hourMs)) * 1000,
    };
  };
  await eachRange(amount.sessions, (numbers) => backend.write(sessions, numbers.map(filledSession)));
  await eachRange(amount.tasks, (numbers) => backend.write(tasks, numbers.map(filledTask)));
  await backend.close();
}

function filledSession(number: number): PendingRecord {
  const days = completedDaysOf(number);
  const status = days === undefined ? 'processing' : 'completed';
  const version = (Date.now() - (days ?? 0) * dayMs) * 1000;
  return { record: aSession({ session_id: sessionId(number), status }), firstVersion: version, version };
}

async function eachRange(end: number, write: (numbers: number[]) => Promise<void>): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < end) {
      const first = next;
      next += rowsOfOneWrite;
      const count = Math.min(rowsOfOneWrite, end - first);
      await write(Array.from({ length: count }, (_, index) => first + index));
    }
  };
  await Promise.all(Array.from({ length: writesAtATime }, work));
}

/** Eight hexadecimal digits, another for each number up to 2³²: the multiplier is odd. */
function scattered(number: number): string {
  return (Math.imul(number, 2_654_435_761) >>> 0).toString(16).padStart(8, '0');
}
