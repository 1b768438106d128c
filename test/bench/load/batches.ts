import { gameSession } from '../../support/game-session.ts';
import { postRequest } from './http-connection.ts';

export const tasksBatchPath = '/api/v1/translation/tasks/batch';
const sessionsBatchPath = '/api/v1/translation/sessions/batch';

const numberDigits = 8;
const unstamped = `load_${'0'.repeat(numberDigits)}_`;

/** The session that the tasks of a load belong to. */
export const loadSession = { ...gameSession(1, 1).session, session_id: 'load-session' };

/** The tasks of a batch as clients send them at the end of a cell's way: with texts, times and results. */
export function batchTasks(records: number, number = 0) {
  return gameSession(records, 7).finished.map((task, row) => ({
    ...task,
    session_id: loadSession.session_id,
    task_id: `${unstamped.slice(0, 5)}${String(number).padStart(numberDigits, '0')}_${row}`,
  }));
}

/** Requests with a batch of tasks: the same texts each time, with ids by the batch's number. */
export class BatchRequests {
  readonly #request: Buffer;
  readonly #places: number[] = [];

  constructor(records: number) {
    const body = JSON.stringify({ tasks: batchTasks(records) });
    this.#request = postRequest(tasksBatchPath, body);
    for (let at = this.#request.indexOf(unstamped); at !== -1; ) {
      this.#places.push(at + 5);
      at = this.#request.indexOf(unstamped, at + 1);
    }
  }

  /** The request of a batch, as bytes of its own. */
  numbered(number: number): Buffer {
    const request = Buffer.from(this.#request);
    const digits = Buffer.from(String(number).padStart(numberDigits, '0'));
    for (const place of this.#places) digits.copy(request, place);
    return request;
  }
}

export function sessionRequest(session: unknown = loadSession): Buffer {
  return postRequest(sessionsBatchPath, JSON.stringify({ sessions: [session] }));
}
