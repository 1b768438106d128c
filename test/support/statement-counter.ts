import { connect, createServer, type Server, type Socket } from 'node:net';

/** Stands between the service and a MySQL server, and sees every statement on its way. */
export interface StatementCounter extends AsyncDisposable {
  /** The server's URL, by way of here. */
  url: string;
  /** The beginnings of the statements so far. */
  statements: string[];
}

const headerBytes = 4;
/** Of the protocol: a query, and a prepared statement that is run. */
const commands = new Set([0x03, 0x17]);
const beginningBytes = 100;

/** Starts to listen on a free port; a URL of another kind of storage is given back as it is, and nothing is seen. */
export async function countStatements(databaseUrl: string): Promise<StatementCounter> {
  const url = new URL(databaseUrl);
  const statements: string[] = [];
  if (url.protocol !== 'mysql:')
    return { url: databaseUrl, statements, [Symbol.asyncDispose]: async () => {} };
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(url.port), url.hostname);
    const read = statementReader(statements);
    client.on('data', read);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.pipe(other);
      socket.on('error', () => other.destroy());
      socket.on('close', () => sockets.delete(socket));
    }
  });
  const port = await listen(server);
  const counted = new URL(databaseUrl);
  counted.host = `127.0.0.1:${port}`;
  return {
    url: counted.href,
    statements,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
}

/** Cuts a client's bytes into packets: three bytes of length, one of sequence; a command starts a sequence. */
function statementReader(statements: string[]): (bytes: Buffer) => void {
  let rest = Buffer.alloc(0);
  return (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    while (rest.length >= headerBytes) {
      const end = headerBytes + rest.readUIntLE(0, 3);
      if (rest.length < end) return;
      if (rest[3] === 0 && commands.has(rest[headerBytes] ?? 0)) {
        statements.push(
          rest.toString('latin1', headerBytes + 1, Math.min(end, headerBytes + beginningBytes)),
        );
      }
      rest = rest.subarray(end);
    }
  };
}
