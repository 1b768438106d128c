/** The parts of an answer that tests look at; `body` is typed by whoever asks. */
export interface Answer<Body> {
  status: number;
  headers: Headers;
  body: Body;
}

/** An error's answer. */
export interface ErrorAnswer {
  detail: string;
  error_code: string;
  errors?: { field: string; message: string }[];
  request_id: string;
}

/** Calls one service. */
export class Api {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  get<Body>(path: string): Promise<Answer<Body>> {
    return this.#ask('GET', path);
  }

  /** Posts a value as JSON, or text and bytes as they are. */
  post<Body>(path: string, body?: unknown): Promise<Answer<Body>> {
    return this.#ask('POST', path, sent(body));
  }

  patch<Body>(path: string, body: unknown): Promise<Answer<Body>> {
    return this.#ask('PATCH', path, sent(body));
  }

  delete<Body>(path: string): Promise<Answer<Body>> {
    return this.#ask('DELETE', path);
  }

  sessions<Body = { status: string; count: number }>(sessions: readonly unknown[]): Promise<Answer<Body>> {
    return this.post('/api/v1/translation/sessions/batch', { sessions });
  }

  tasks<Body = { status: string; count: number }>(tasks: readonly unknown[]): Promise<Answer<Body>> {
    return this.post('/api/v1/translation/tasks/batch', { tasks });
  }

  flush<Body = { status: string; sessions_written: number; tasks_written: number }>(): Promise<Answer<Body>> {
    return this.post('/api/v1/translation/flush');
  }

  async #ask<Body>(
    method: string,
    path: string,
    body?: string | Uint8Array<ArrayBuffer>,
  ): Promise<Answer<Body>> {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: JSON.parse(text) as Body };
  }
}

function sent(body: unknown): string | Uint8Array<ArrayBuffer> | undefined {
  const raw = body === undefined || typeof body === 'string' || body instanceof Uint8Array;
  return raw ? (body as string | Uint8Array<ArrayBuffer> | undefined) : JSON.stringify(body);
}
