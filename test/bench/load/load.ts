import type { HttpConnection } from './http-connection.ts';
import { withConnections } from './http-connection.ts';
import { Latencies } from './latencies.ts';

/** The bytes of the request with a number, counted from 0. */
export type Requests = (index: number) => Uint8Array;

/**
 * As many requests as get through: each connection sends its next one when it has its answer.
 * @returns how many, and how many a second.
 */
export function fullLoad(
  url: string,
  { connections, seconds, requests }: { connections: number; seconds: number; requests: Requests },
): Promise<{ count: number; perSecond: number }> {
  return withConnections(url, connections, async (opened) => {
    const startedMs = performance.now();
    const endMs = startedMs + seconds * 1000;
    let sent = 0;
    const keepSending = async (connection: HttpConnection): Promise<void> => {
      while (performance.now() < endMs) await connection.send(requests(sent++));
    };
    await Promise.all(opened.map(keepSending));
    return { count: sent, perSecond: (sent / (performance.now() - startedMs)) * 1000 };
  });
}

/** A given number of requests, as quickly as they get through. */
export async function sendAll(
  url: string,
  { connections, count, requests }: { connections: number; count: number; requests: Requests },
): Promise<void> {
  let sent = 0;
  await withConnections(url, connections, (opened) =>
    Promise.all(
      opened.map(async (connection) => {
        while (sent < count) await connection.send(requests(sent++));
      }),
    ),
  );
}

export interface SteadyLatencies {
  /** From the time at which a request was due to its answer. */
  answers: Latencies;
  /** From the time at which a request was due to when the load woke up for it: what of it is the load's own doing. */
  delays: Latencies;
}

/**
 * Requests at a steady rate, however slow the answers are. What is late counts from the time at which it was due,
 * so a pause of the service shows in every request that it held up. A request is sent on the
 * connection that was free the longest, and waits when there is none.
 */
export function steadyLoad(
  url: string,
  plan: {
    connections: number;
    perSecond: number;
    seconds: number;
    /** Of the beginning; not part of `seconds`, and not counted. */
    warmUpSeconds: number;
    requests: Requests;
  },
): Promise<SteadyLatencies> {
  return withConnections(url, plan.connections, async (opened) => {
    const latencies = { answers: new Latencies(), delays: new Latencies() };
    const free = [...opened];
    const waitingForOne: ((connection: HttpConnection) => void)[] = [];
    const startMs = performance.now();
    const firstCounted = Math.round(plan.warmUpSeconds * plan.perSecond);
    const count = firstCounted + Math.round(plan.seconds * plan.perSecond);

    const sendOne = async (index: number, dueMs: number): Promise<void> => {
      const wokenMs = performance.now();
      const request = plan.requests(index);
      const connection =
        free.shift() ?? (await new Promise<HttpConnection>((resolve) => waitingForOne.push(resolve)));
      await connection.send(request);
      const answeredMs = performance.now();
      const next = waitingForOne.shift();
      if (next === undefined) free.push(connection);
      else next(connection);
      if (index < firstCounted) return;
      latencies.answers.add(answeredMs - dueMs);
      latencies.delays.add(wokenMs - dueMs);
    };

    const sending: Promise<void>[] = [];
    for (let index = 0; index < count; index += 1) {
      const dueMs = startMs + (index * 1000) / plan.perSecond;
      const earlyMs = dueMs - performance.now();
      if (earlyMs > 0) await Bun.sleep(earlyMs);
      sending.push(sendOne(index, dueMs));
    }
    await Promise.all(sending);
    return latencies;
  });
}

/** One request after the other on one connection, for a time and at least `samplesMin` times, after one uncounted. */
export function oneByOne(
  url: string,
  request: Uint8Array,
  { seconds, samplesMin }: { seconds: number; samplesMin: number },
): Promise<Latencies> {
  return withConnections(url, 1, async ([connection]) => {
    const latencies = new Latencies();
    await connection?.send(request);
    const endMs = performance.now() + seconds * 1000;
    while (latencies.count < samplesMin || performance.now() < endMs) {
      const sentMs = performance.now();
      await connection?.send(request);
      latencies.add(performance.now() - sentMs);
    }
    return latencies;
  });
}
