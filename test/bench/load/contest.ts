import { ProcessorCost } from '../process-usage.ts';
import { median } from './latencies.ts';
import { fullLoad, type Requests } from './load.ts';

interface Contestant {
  url: string;
  pid: number;
  requests: Requests;
}

interface Contest {
  connections: number;
  seconds: number;
  rounds: number;
}

/** Requests a second, the median of all rounds, and microseconds of the process's own processor time a request. */
interface Outcome {
  perSecond: number;
  microseconds: number;
}

const warmUpSeconds = 0.5;

/** The same load on a bare server and on the service by turns, so that what else the machine does meets both alike. */
export async function contest(
  parties: { bare: Contestant; service: Contestant },
  { connections, seconds, rounds }: Contest,
): Promise<{ bare: Outcome; service: Outcome }> {
  const scores = { bare: scoreOf(parties.bare), service: scoreOf(parties.service) };
  const turn = async ({ contestant, rates, cost }: Score): Promise<void> => {
    const { url, pid, requests } = contestant;
    await cost.of(pid, async () => {
      const { count, perSecond } = await fullLoad(url, { connections, seconds, requests });
      rates.push(perSecond);
      return count;
    });
  };
  for (const { url, requests } of [parties.bare, parties.service]) {
    await fullLoad(url, { connections, seconds: warmUpSeconds, requests });
  }
  for (let round = 0; round < rounds; round += 1) {
    await turn(scores.bare);
    await turn(scores.service);
  }
  return { bare: outcomeOf(scores.bare), service: outcomeOf(scores.service) };
}

interface Score {
  contestant: Contestant;
  rates: number[];
  cost: ProcessorCost;
}

function scoreOf(contestant: Contestant): Score {
  return { contestant, rates: [], cost: new ProcessorCost() };
}

function outcomeOf({ rates, cost }: Score): Outcome {
  return { perSecond: median(rates), microseconds: cost.microseconds };
}
