import { expect } from 'bun:test';
import type { Answer, Api } from './api.ts';
import { aSession, aTask } from './records.ts';
import { waitUntil } from './wait-until.ts';

type Kind = 'sessions' | 'tasks';
type Row = Readonly<Record<string, unknown>>;

/** A write of a record, or its deletion: `unanswered` while nobody knows whether it was accepted. */
interface Write {
  id: string;
  fields: Row | 'deleted';
  outcome: 'acknowledged' | 'unanswered';
}

interface Page {
  items: Row[];
  next_cursor: string | null;
}

const base = '/api/v1/translation';
const keys = { sessions: 'session_id', tasks: 'task_id' } as const;

/**
 * Sends records, remembers what became of each, and knows what storage has to have in the end: of every field the
 * newest acknowledged value, or one that was sent later and never answered.
 * Writes of one record have to be sent one after the other. A deleted record stays deleted until it is written again.
 */
export class Oracle {
  readonly #writes = { sessions: new Map<string, Write[]>(), tasks: new Map<string, Write[]>() };
  /** Acknowledged batches. */
  acknowledged = 0;

  /** @returns the status of the answer; undefined when there was none. */
  async send(api: Api, kind: Kind, records: readonly Row[]): Promise<number | undefined> {
    const writes = records.map((record) => this.#begin(kind, String(record[keys[kind]]), record));
    return await this.#conclude(kind, writes, api[kind](records));
  }

  /** Deletes a session with every task of it that was sent. */
  async deleteSession(api: Api, id: string): Promise<number | undefined> {
    const tasks = [...this.#writes.tasks].filter(([, [first]]) => isTaskOf(first, id));
    const writes = tasks.map(([taskId]) => this.#begin('tasks', taskId, 'deleted'));
    writes.push(this.#begin('sessions', id, 'deleted'));
    return await this.#conclude('sessions', writes, api.delete(`${base}/sessions/${id}`));
  }

  async #conclude(
    kind: Kind,
    writes: readonly Write[],
    call: Promise<Answer<unknown>>,
  ): Promise<number | undefined> {
    const answer = await call.catch(() => undefined);
    if (answer === undefined) return undefined;
    if (answer.status === 200) {
      for (const write of writes) write.outcome = 'acknowledged';
      this.acknowledged += 1;
    } else {
      this.#forget(kind, writes);
    }
    return answer.status;
  }

  /** Everything acknowledged is in storage, nothing else is, nothing was quarantined, and a write works. */
  async check(api: Api): Promise<void> {
    await waitUntil('everything is in storage', async () => (await api.flush()).status === 200, 60_000);
    for (const kind of ['sessions', 'tasks'] as const) {
      expect(this.#problems(kind, await storedRows(api, kind)).slice(0, 10)).toEqual([]);
    }
    expect((await api.get('/health')).body).toMatchObject({ quarantine: { records: 0 } });
    const session = aSession();
    expect(await this.send(api, 'sessions', [session])).toBe(200);
    expect(await this.send(api, 'tasks', [aTask(session.session_id)])).toBe(200);
  }

  #begin(kind: Kind, id: string, fields: Write['fields']): Write {
    const write: Write = { id, fields, outcome: 'unanswered' };
    const writes = this.#writes[kind].get(id);
    if (writes === undefined) this.#writes[kind].set(id, [write]);
    else writes.push(write);
    return write;
  }

  #forget(kind: Kind, refused: readonly Write[]): void {
    for (const write of refused) {
      const writes = this.#writes[kind].get(write.id) ?? [];
      writes.splice(writes.indexOf(write), 1);
    }
  }

  #problems(kind: Kind, rows: ReadonlyMap<string, Row>): string[] {
    const problems: string[] = [];
    for (const [id, writes] of this.#writes[kind]) problems.push(...problemsOf(id, writes, rows.get(id)));
    for (const id of rows.keys()) {
      if (!this.#writes[kind].has(id)) problems.push(`${id} was never sent`);
    }
    return problems;
  }
}

function isTaskOf(write: Write | undefined, sessionId: string): boolean {
  return typeof write?.fields === 'object' && write.fields.session_id === sessionId;
}

function problemsOf(id: string, writes: readonly Write[], row: Row | undefined): string[] {
  const decided = writes.findLastIndex(({ outcome }) => outcome === 'acknowledged');
  const possible = writes.slice(Math.max(decided, 0));
  if (row === undefined) {
    const canBeMissing = decided === -1 || possible.some(({ fields }) => fields === 'deleted');
    return canBeMissing ? [] : [`${id} is lost`];
  }
  if (possible.every(({ fields }) => fields === 'deleted')) return [`${id} should not be there`];
  return Object.keys(row).flatMap((field) => {
    const values = possibleValues(writes, field);
    const isPossible = values.length === 0 || values.some((value) => Bun.deepEquals(value, row[field]));
    return isPossible ? [] : [`${id}.${field} is ${row[field]}, and can only be ${values.join(' or ')}`];
  });
}

/** Empty when nobody ever gave the field. */
function possibleValues(writes: readonly Write[], field: string): unknown[] {
  const isGiven = ({ fields }: Write): boolean => fields !== 'deleted' && field in fields;
  if (!writes.some(isGiven)) return [];
  const values: unknown[] = [];
  for (const write of writes.toReversed()) {
    const { fields, outcome } = write;
    if (fields === 'deleted') values.push(null);
    else if (isGiven(write)) values.push(fields[field]);
    else continue;
    if (outcome === 'acknowledged') return values;
  }
  return [...values, null];
}

async function storedRows(api: Api, kind: Kind): Promise<Map<string, Row>> {
  const rows = new Map<string, Row>();
  let cursor = '';
  do {
    const { body } = await api.get<Page>(`${base}/${kind}?page_size=100${cursor}`);
    for (const row of body.items) rows.set(String(row[keys[kind]]), row);
    cursor = body.next_cursor === null ? '' : `&cursor=${body.next_cursor}`;
  } while (cursor !== '');
  return rows;
}
