import { connect, createServer, type Socket } from 'node:net';

/** Stands between a client and a server, and does to their connections what networks and servers do. */
export interface TcpProxy extends AsyncDisposable {
  port: number;
  /** Connections are cut, and new ones refused, until `mend`. */
  cut(): void;
  /** Nothing passes in either direction any more, while every connection stays open, until `mend`. */
  stall(): void;
  mend(): void;
  /** Cuts a connection right after it has passed on a request that contains this text, before the answer; once. */
  cutAfter(text: string): Promise<void>;
}

interface Link {
  client: Socket;
  server: Socket;
}

/** Listens on a free port of 127.0.0.1. */
export async function startTcpProxy(target: { host: string; port: number }): Promise<TcpProxy> {
  const links = new Set<Link>();
  let mode: 'open' | 'cut' | 'stalled' = 'open';
  let trap: { text: string; sprung: () => void } | undefined;

  const end = (link: Link): void => {
    links.delete(link);
    link.client.resetAndDestroy();
    link.server.destroy();
  };

  const listener = createServer((client) => {
    if (mode === 'cut') {
      client.resetAndDestroy();
      return;
    }
    const link = { client, server: connect(target) };
    links.add(link);
    for (const socket of [client, link.server]) {
      socket.on('error', () => end(link));
      socket.on('close', () => end(link));
      if (mode === 'stalled') socket.pause();
    }
    link.server.on('data', (bytes) => client.write(bytes));
    client.on('data', (bytes) => {
      link.server.write(bytes, () => {
        if (trap === undefined || !bytes.includes(trap.text)) return;
        trap.sprung();
        trap = undefined;
        // The server has it; the client never learns what became of it.
        link.server.removeAllListeners('data');
        client.resetAndDestroy();
      });
    });
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('The proxy has no port.');

  return {
    port: address.port,
    cut() {
      mode = 'cut';
      for (const link of links) end(link);
    },
    stall() {
      mode = 'stalled';
      for (const { client, server } of links) for (const socket of [client, server]) socket.pause();
    },
    mend() {
      mode = 'open';
      for (const { client, server } of links) for (const socket of [client, server]) socket.resume();
    },
    cutAfter: (text) =>
      new Promise<void>((resolve) => {
        trap = { text, sprung: resolve };
      }),
    async [Symbol.asyncDispose]() {
      for (const link of links) end(link);
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}
