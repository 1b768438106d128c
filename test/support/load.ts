import type { Api } from './api.ts';
import type { Oracle } from './oracle.ts';
import { aSession, aTask } from './records.ts';

export interface LoadOptions {
  random: () => number;
  writers?: number;
  tasksPerWriter?: number;
  batchSize?: number;
  /** One more writer, whose sessions are deleted as soon as they are accepted. */
  deletes?: boolean;
}

/** Writers that update their sessions and tasks over and over. */
export class Load {
  readonly #oracle: Oracle;
  readonly #options: Required<LoadOptions>;
  readonly #sessionIds: string[];
  #value = 0;
  #stopped = false;
  #running: Promise<unknown> = Promise.resolve();
  /** Answers other than 200. */
  readonly refusals: number[] = [];

  constructor(oracle: Oracle, options: LoadOptions) {
    this.#oracle = oracle;
    this.#options = { writers: 3, tasksPerWriter: 60, batchSize: 20, deletes: false, ...options };
    this.#sessionIds = Array.from({ length: this.#options.writers }, (_, writer) => `session-${writer}`);
  }

  /** Starts writing, until `stop`, or until the service answers no more. */
  start(api: Api): void {
    this.#stopped = false;
    const writers = this.#sessionIds.map((id) => this.#write(api, id));
    if (this.#options.deletes) writers.push(this.#writeAndDelete(api));
    this.#running = Promise.all(writers);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  /** Resolves when the writers have ended by themselves. */
  get ended(): Promise<unknown> {
    return this.#running;
  }

  async #write(api: Api, sessionId: string): Promise<void> {
    while (!this.#stopped) {
      this.#value += 1;
      const session = aSession({ session_id: sessionId, completed_tasks: this.#value });
      if (!(await this.#send(api, 'sessions', [session]))) return;
      for (let batch = 0; batch < 4 && !this.#stopped; batch += 1) {
        if (!(await this.#send(api, 'tasks', this.#tasksOf(sessionId)))) return;
      }
    }
  }

  async #writeAndDelete(api: Api): Promise<void> {
    while (!this.#stopped) {
      const session = aSession();
      const tasks = [aTask(session.session_id), aTask(session.session_id)];
      if (!(await this.#send(api, 'sessions', [session]))) return;
      if (!(await this.#send(api, 'tasks', tasks))) return;
      if ((await this.#oracle.deleteSession(api, session.session_id)) !== 200) return;
    }
  }

  async #send(api: Api, kind: 'sessions' | 'tasks', records: readonly object[]): Promise<boolean> {
    const status = await this.#oracle.send(api, kind, records as readonly Record<string, unknown>[]);
    if (status !== undefined && status !== 200) this.refusals.push(status);
    return status === 200;
  }

  #tasksOf(sessionId: string): object[] {
    const { random, tasksPerWriter, batchSize } = this.#options;
    this.#value += 1;
    const value = this.#value;
    const first = Math.floor(random() * tasksPerWriter);
    return Array.from({ length: batchSize }, (_, index) => {
      const task = aTask(sessionId, {
        task_id: `${sessionId}-task-${(first + index) % tasksPerWriter}`,
        retry_count: value,
        target_text: `翻译 ${value}`,
      });
      return random() < 0.5 ? task : { ...task, context: `context ${value}` };
    });
  }
}
