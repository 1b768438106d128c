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
