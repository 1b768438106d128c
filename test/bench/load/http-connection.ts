import type { Socket } from 'bun';

export interface Reply {
  status: number;
  body: Buffer;
}

const headEnd = '\r\n\r\n';

/**
 * One kept connection that carries one request at a time. It sends bytes made beforehand and looks at as little of
 * the answer as it can, so that the load takes little of the processor that it shares with the service.
 */
export class HttpConnection {
  #socket: Socket | undefined;
  #unsent: Uint8Array | undefined;
  #received: Buffer[] = [];
  #waiting: PromiseWithResolvers<Reply> | undefined;
  #lost: string | undefined;

  private constructor() {}

  static async open(url: string): Promise<HttpConnection> {
    const { hostname, port } = new URL(url);
    const connection = new HttpConnection();
    connection.#socket = await Bun.connect({
      hostname,
      port: Number(port),
      socket: {
        binaryType: 'buffer',
        data: (_socket, bytes) => connection.#receive(bytes),
        drain: () => connection.#send(),
        close: () => connection.#lose('the connection was closed'),
        error: (_socket, error) => connection.#lose(error.message),
      },
    });
    return connection;
  }

  /** @throws an Error when the answer is not 200, with what it says. */
  async send(request: Uint8Array): Promise<Reply> {
    this.#waiting = Promise.withResolvers();
    if (this.#lost !== undefined) this.#lose(this.#lost);
    this.#unsent = request;
    this.#send();
    const reply = await this.#waiting.promise;
    if (reply.status !== 200) throw new Error(`An answer of ${reply.status}: ${reply.body}`);
    return reply;
  }

  close(): void {
    this.#socket?.end();
  }

  #send(): void {
    if (this.#unsent === undefined || this.#socket === undefined) return;
    const written = this.#socket.write(this.#unsent);
    this.#unsent = written < this.#unsent.length ? this.#unsent.subarray(written) : undefined;
  }

  #receive(bytes: Buffer): void {
    // The socket uses its buffer again.
    this.#received.push(Buffer.from(bytes));
    const all = this.#received.length === 1 ? (this.#received[0] as Buffer) : Buffer.concat(this.#received);
    this.#received = [all];
    const end = all.indexOf(headEnd);
    if (end === -1) return;
    const head = all.toString('latin1', 0, end);
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    if (length === undefined) {
      this.#lose(`an answer without a length: ${head}`);
      return;
    }
    const bodyStart = end + headEnd.length;
    if (all.length < bodyStart + Number(length)) return;
    this.#received = [];
    this.#waiting?.resolve({ status: Number(head.slice(9, 12)), body: all.subarray(bodyStart) });
  }

  #lose(reason: string): void {
    this.#lost = reason;
    this.#waiting?.reject(new Error(`No answer: ${reason}`));
  }
}

export function getRequest(path: string): Uint8Array {
  return Buffer.from(`GET ${path} HTTP/1.1\r\nHost: bench${headEnd}`);
}

export function postRequest(path: string, body: Uint8Array | string): Buffer {
  const bytes = Buffer.from(body);
  const head = `POST ${path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: ${bytes.length}${headEnd}`;
  return Buffer.concat([Buffer.from(head), bytes]);
}

/** Opens connections for the time of an action. */
export async function withConnections<T>(
  url: string,
  count: number,
  action: (connections: readonly HttpConnection[]) => Promise<T>,
): Promise<T> {
  const connections = await Promise.all(Array.from({ length: count }, () => HttpConnection.open(url)));
  try {
    return await action(connections);
  } finally {
    for (const connection of connections) connection.close();
  }
}
