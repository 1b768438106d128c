import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { seededRandom } from '../support/game-session.ts';
import { type Entry, type OpenedJournal, openJournalOn } from '../support/journal-ledger.ts';
import { SimulatedDisk } from '../support/simulated-disk.ts';
import { waitUntil } from '../support/wait-until.ts';

const runs = process.env.TEST_LONG ? 20_000 : 400;
/** A failure prints the seed and the shortest steps that fail. */
const seed = 20_250_930;

type Step =
  | { append: number }
  | { sync: true }
  | { release: number }
  | { end: 'close' | 'kill' }
  | { powerLossSeed: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ append: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 2, arbitrary: fc.record({ sync: fc.constant(true as const) }) },
  { weight: 3, arbitrary: fc.record({ release: fc.double({ min: 0, max: 1, noNaN: true }) }) },
  { weight: 1, arbitrary: fc.record({ end: fc.constantFrom('close', 'kill') }) },
  { weight: 1, arbitrary: fc.record({ powerLossSeed: fc.nat() }) },
);

const settings = fc.record({
  sync: fc.constantFrom('always', 'interval', 'off'),
  segmentBytesMax: fc.integer({ min: 1, max: 300 }),
});

/** A journal as a list: what it accepted, what of that no power loss takes, and up to where it was released. */
class Model {
  accepted: Entry[] = [];
  released = 0;
  readonly #durable = new Set<string>();
  /** What was accepted since the journal was opened: a sync reaches no further back. */
  #sinceOpened: string[] = [];

  get kept(): Entry[] {
    return this.accepted.filter(({ sequence }) => sequence > this.released);
  }

  get last(): Entry | undefined {
    return this.accepted.at(-1);
  }

  append(entry: Entry): void {
    this.accepted.push(entry);
    this.#sinceOpened.push(entry.text);
  }

  /** Of what can still be asked for, something that a power loss may take. */
  get isUnsynced(): boolean {
    return this.kept.some(({ text }) => this.#sinceOpened.includes(text) && !this.#durable.has(text));
  }

  sync(): void {
    for (const text of this.#sinceOpened) this.#durable.add(text);
  }

  reopen(): void {
    this.#sinceOpened = [];
  }

  /** What a power loss left takes the place of what was accepted; it must hold all that was durable. */
  lose(visited: readonly Entry[]): void {
    const left = new Set(visited.map(({ text }) => text));
    expect(this.kept.filter(({ text }) => this.#durable.has(text) && !left.has(text))).toEqual([]);
    this.accepted = this.accepted.filter(({ sequence, text }) => sequence <= this.released || left.has(text));
    for (const text of left) this.#durable.add(text);
  }
}

test('a journal behaves as a list: accepted and not released is visited once, in order, and nothing else is', async () => {
  await fc.assert(
    fc.asyncProperty(settings, fc.array(step, { minLength: 5, maxLength: 50 }), async (options, steps) => {
      const disk = new SimulatedDisk();
      const model = new Model();
      let opened = await openJournalOn(disk, options);
      let number = 0;
      for (const next of steps) {
        if ('append' in next) {
          const texts = Array.from({ length: next.append }, () => `number ${++number}`);
          await append(opened, texts, model, options.sync === 'always');
        } else if ('sync' in next) await sync(opened, disk, model, options.sync === 'interval');
        else if ('release' in next) await release(opened, next.release, model);
        else opened = await reopen(opened, disk, next, model, options);
      }
      await reopen(opened, disk, { end: 'close' }, model, options);
    }),
    { seed, numRuns: runs },
  );
}, 600_000);

async function append({ journal }: OpenedJournal, texts: string[], model: Model, durable: boolean) {
  const before = model.last;
  const positions = await Promise.all(texts.map((text) => journal.append('tasks', Buffer.from(text))));
  positions.forEach((position, index) => {
    model.append({ ...position, text: texts[index] ?? '' });
  });
  expect(positions.map(({ sequence }) => sequence - (positions[0]?.sequence ?? 0))).toEqual([
    ...texts.keys(),
  ]);
  for (const [index, { sequence, version }] of positions.entries()) {
    const previous = positions[index - 1] ?? before;
    expect(sequence).toBeGreaterThan(previous?.sequence ?? 0);
    expect(version).toBeGreaterThan(previous?.version ?? 0);
  }
  if (durable) model.sync();
}

/** Lets the interval pass, where there is one. */
async function sync(
  { clock }: OpenedJournal,
  disk: SimulatedDisk,
  model: Model,
  isDue: boolean,
): Promise<void> {
  if (isDue && model.isUnsynced) expect(clock.dueInMs).toHaveLength(1);
  if (clock.dueInMs.length === 0) return;
  const before = disk.operations.length;
  clock.advance(100);
  await waitUntil('it is synced', () => disk.operations.length > before);
  model.sync();
}

async function release({ journal }: OpenedJournal, share: number, model: Model): Promise<void> {
  const sequence = Math.floor(share * (model.last?.sequence ?? 0));
  await journal.release(sequence);
  model.released = Math.max(model.released, sequence);
  expect(journal.checkpoint).toBe(model.released);
}

async function reopen(
  opened: OpenedJournal,
  disk: SimulatedDisk,
  how: { end: 'close' | 'kill' } | { powerLossSeed: number },
  model: Model,
  options: { sync: 'always' | 'interval' | 'off'; segmentBytesMax: number },
): Promise<OpenedJournal> {
  if ('end' in how && how.end === 'close') {
    await opened.journal.close();
    model.sync();
  }
  model.reopen();
  if ('powerLossSeed' in how) disk.losePower(seededRandom(how.powerLossSeed));
  const next = await openJournalOn(disk, options);
  const { visited, report, journal } = next;
  if ('powerLossSeed' in how) model.lose(visited);
  expect(visited).toEqual(model.kept);
  expect(journal.checkpoint).toBe(model.released);
  expect(report.frames).toBe(visited.length);
  if (options.sync === 'always') {
    expect(report).toMatchObject({ lostFrames: 0, damagedRanges: 0, tornTail: false });
  }
  return next;
}
