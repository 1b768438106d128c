import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface Write {
  startMs: number;
  endMs: number;
}

/** Writes smaller than a block of the disk take as long. */
const block = Buffer.alloc(4096, 1);
const pauseMs = 5;

/**
 * What the disk takes for a bare durable write, moment by moment: one block is overwritten and synced, again and
 * again. A disk that pauses, as those of shared machines do, holds up everybody's writes.
 */
export class BareDisk {
  readonly #writes: Write[] = [];
  #isStopped = false;
  #writing: Promise<void> | undefined;

  start(): void {
    this.#writing = this.#write();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#writing;
  }

  /** The longest write of those that went on at some time between two. */
  longestBetween(startMs: number, endMs: number): number {
    const during = this.#writes.filter((write) => write.startMs < endMs && write.endMs > startMs);
    return Math.max(
      0,
      ...during.map((write) => Math.min(write.endMs, endMs) - Math.max(write.startMs, startMs)),
    );
  }

  async #write(): Promise<void> {
    const path = join(tmpdir(), `bare-disk-${crypto.randomUUID()}`);
    const file = await open(path, 'w');
    try {
      while (!this.#isStopped) {
        this.#writes.push(await timedWrite(file));
        await Bun.sleep(pauseMs);
      }
    } finally {
      await file.close();
      await Bun.file(path).delete();
    }
  }
}

async function timedWrite(file: FileHandle): Promise<Write> {
  const startMs = performance.now();
  await file.write(block, 0, block.length, 0);
  await file.datasync();
  return { startMs, endMs: performance.now() };
}
