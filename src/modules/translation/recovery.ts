import type { Backlog } from '../../engine/backlog.ts';
import type { WriteBuffer } from '../../engine/write-buffer.ts';
import type { Journal } from '../../journal/journal.ts';
import type { Clock } from '../../platform/clock.ts';
import { formatSecond } from '../../platform/instant.ts';

/** What the last start found in the journal. */
interface LastReplay {
  finishedAtMs: number;
  frames: number;
  damagedRanges: number;
  damagedBytes: number;
  lostFrames: number;
  tornTail: boolean;
  seconds: number;
}

interface RecoveryParts {
  replay: LastReplay;
  backlog: Backlog;
  buffer: WriteBuffer;
  journal: Journal;
  clock: Clock;
}

/** Counts the restores since the start, and says what there is to recover from. */
export class RecoveryLog {
  readonly #parts: RecoveryParts;
  #started = 0;
  #completed = 0;
  #failed = 0;
  #tasks = 0;

  constructor(parts: RecoveryParts) {
    this.#parts = parts;
  }

  /** Passes on the tasks of one restore; it is completed once the last one has been taken, and else has failed. */
  async *count<Task>(tasks: AsyncIterable<Task>): AsyncGenerator<Task> {
    this.#started += 1;
    let completed = false;
    try {
      for await (const task of tasks) {
        this.#tasks += 1;
        yield task;
      }
      completed = true;
    } finally {
      if (completed) this.#completed += 1;
      else this.#failed += 1;
    }
  }

  status() {
    const { replay, backlog, buffer, journal, clock } = this.#parts;
    const ended = this.#completed + this.#failed;
    const { oldestVersion } = buffer;
    return {
      last_replay: {
        finished_at: formatSecond(replay.finishedAtMs),
        frames: replay.frames,
        records: backlog.replayed.records,
        damaged_ranges: replay.damagedRanges,
        damaged_bytes: replay.damagedBytes,
        lost_frames: replay.lostFrames,
        unreadable_frames: backlog.replayed.unreadableFrames,
        torn_tail: replay.tornTail,
        seconds: Math.round(replay.seconds * 1000) / 1000,
      },
      backlog: {
        records: buffer.size,
        on_disk_only: backlog.isBehind,
        journal_bytes: journal.bytes,
        oldest_seconds:
          oldestVersion === undefined
            ? 0
            : Math.max(0, Math.round(clock.nowMs() / 1000 - oldestVersion / 1_000_000)),
      },
      restores: {
        started: this.#started,
        completed: this.#completed,
        failed: this.#failed,
        tasks: this.#tasks,
        success_percent: ended === 0 ? null : Math.round((this.#completed / ended) * 1000) / 10,
      },
    };
  }
}
