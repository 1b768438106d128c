import { expect } from 'bun:test';
import type { Frame, Position } from '../../src/journal/frame.ts';
import { Journal, type JournalOptions } from '../../src/journal/journal.ts';
import type { ReplayReport } from '../../src/journal/recovery.ts';
import { silentLogger } from '../../src/platform/logger.ts';
import { ManualClock } from './manual-clock.ts';
import { journalFolder, type SimulatedDisk } from './simulated-disk.ts';

/** A frame as a ledger knows it: its payload is a text that no other has. */
export interface Entry extends Position {
  text: string;
}

export interface OpenedJournal {
  journal: Journal;
  clock: ManualClock;
  report: ReplayReport;
  visited: Entry[];
}

/** Opens the journal of a simulated disk, of tiny segments. The clock stands still, so that versions tell. */
export async function openJournalOn(
  disk: SimulatedDisk,
  options: Partial<JournalOptions> = {},
): Promise<OpenedJournal> {
  const visited: Entry[] = [];
  const clock = new ManualClock();
  const { journal, report } = await Journal.open(
    {
      folder: journalFolder,
      sync: 'always',
      syncIntervalMs: 100,
      segmentBytesMax: 120,
      bytesMax: 1e6,
      ...options,
    },
    { files: disk.files, clock, logger: silentLogger },
    (frame) => visited.push(entryOf(frame)),
  );
  return { journal, clock, report, visited };
}

function entryOf({ sequence, version, payload }: Frame): Entry {
  return { sequence, version, text: Buffer.from(payload).toString('utf8') };
}

/**
 * A naive model of a journal: what was asked of it, what it answered, and what it must therefore still have. One
 * ledger goes through all the lives of a journal.
 */
export class JournalLedger {
  readonly #appended = new Set<string>();
  readonly #acknowledged = new Map<string, Entry>();
  #released = 0;
  #newestVersion = 0;

  /** The last sequence that was acknowledged. */
  get lastSequence(): number {
    return Math.max(0, ...[...this.#acknowledged.values()].map(({ sequence }) => sequence));
  }

  get unacknowledged(): number {
    return this.#appended.size - this.#acknowledged.size;
  }

  /** Appends a text of its own. */
  async append(journal: Journal): Promise<void> {
    const text = `{"number":${this.#appended.size + 1}}`;
    this.#appended.add(text);
    const position = await journal.append('tasks', Buffer.from(text));
    expect(position.version).toBeGreaterThan(this.#newestVersion);
    this.#newestVersion = position.version;
    this.#acknowledged.set(text, { ...position, text });
  }

  /** Releases up to a sequence; from the call on, those frames may be gone. */
  async release(journal: Journal, sequence: number): Promise<void> {
    this.#released = Math.max(this.#released, sequence);
    await journal.release(sequence);
  }

  /** Holds what a start visited against what it must visit, and what it must not. */
  check({ visited, report }: Pick<OpenedJournal, 'visited' | 'report'>): void {
    const visitedTexts = new Set(visited.map(({ text }) => text));
    const missing = [...this.#acknowledged.values()].filter(
      ({ sequence, text }) => sequence > this.#released && !visitedTexts.has(text),
    );
    expect(missing).toEqual([]);
    expect(visitedTexts.size).toBe(visited.length);
    visited.forEach((entry, index) => {
      expect(this.#appended).toContain(entry.text);
      expect(entry).toEqual(this.#acknowledged.get(entry.text) ?? entry);
      const before = visited[index - 1];
      expect(entry.sequence).toBeGreaterThan(before?.sequence ?? 0);
      expect(entry.version).toBeGreaterThan(before?.version ?? 0);
    });
    expect(report.frames).toBe(visited.length);
    // A group that was not acknowledged may be left with a hole.
    expect(report.lostFrames).toBeLessThanOrEqual(this.unacknowledged);
  }
}
