import { readFileSync } from 'node:fs';

const sampleMs = 20;

/** Resident memory of a process, in MB. */
export function residentMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1.024e-3;
}

/** The most resident memory of a process while an action runs, in MB. */
export async function peakDuring(pid: number, action: () => Promise<unknown>): Promise<number> {
  let peak = residentMb(pid);
  const timer = setInterval(() => {
    peak = Math.max(peak, residentMb(pid));
  }, sampleMs);
  try {
    await action();
  } finally {
    clearInterval(timer);
  }
  return Math.max(peak, residentMb(pid));
}

/** What the kernel counts processor time in; the same on every Linux that Bun runs on. */
const ticksPerSecond = 100;

/** Seconds of processor time that a process has had in its life, its threads included. */
function processorSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name, in parentheses, may hold blanks; the times are the 12th and 13th field behind it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** Microseconds of processor time for each unit of work that an action reports. */
export class ProcessorCost {
  #seconds = 0;
  #work = 0;

  /** @param action returns how much it did. */
  async of(pid: number, action: () => Promise<number>): Promise<void> {
    const before = processorSeconds(pid);
    this.#work += await action();
    this.#seconds += processorSeconds(pid) - before;
  }

  get microseconds(): number {
    return (this.#seconds * 1e6) / this.#work;
  }
}
