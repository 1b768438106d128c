import type { SessionRecord, TaskRecord } from '../../src/modules/translation/records.ts';
import { aSession, aTask } from './records.ts';

/** Pieces that game texts are made of, in the scripts and with the markup that such files hold. */
const pieces = [
  'Hello, adventurer! ',
  'You need {0} more %s to open the gate.\n',
  '你好，冒险者！',
  '请前往<color=#ff8800>龙之谷</color>。',
  'ドラゴンを倒せ！',
  '「ありがとう」\t',
  '용사여, 일어나라. ',
  '🐉🔥',
  '👩‍👩‍👧‍👦 ',
  '🇯🇵 ',
  '𠮷野家 ',
  'é ü ñ — “quotes” \'single\' "double" ',
  '<b>HP</b>: {hp}/{max_hp}\\n',
  "'; DROP TABLE translation_tasks; -- ",
  '\\u0041\\ \u0001 \u00a0',
  'שלום العالم ',
  '{{player_name}} & <icon id="7"/> ',
  '%d%% `code` $1 \r\n',
];

/** A repeatable source of random numbers from 0 to 1 (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export interface GameSession {
  session: SessionRecord;
  /** Every cell as it is first sent. */
  pending: TaskRecord[];
  /** Every cell as it ends up: completed, failed, or still pending. */
  finished: TaskRecord[];
}

/** A file of game texts and its translation, the same for the same seed. */
export function gameSession(cells: number, seed: number): GameSession {
  const random = seededRandom(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const text = (): string =>
    Array.from({ length: 1 + Math.floor(random() * 6) }, () => pick(pieces)).join('');
  const session = aSession({
    session_id: `00000000-0000-4000-8000-${String(seed).padStart(12, '0')}`,
    filename: '游戏翻译 – ゲーム 🎮.xlsx',
    game_info: {
      game_name: '幻想 RPG',
      source_language: 'en',
      nested: { tags: ['a', 'ü', '🐉'], ratio: 0.5 },
    },
    metadata: { user_id: 'user_123', empty: null, list: [] },
    total_tasks: cells,
  });
  const pending = Array.from({ length: cells }, (_, row) =>
    aTask(session.session_id, {
      task_id: `task_${seed}_${row}`,
      batch_id: `batch_${Math.floor(row / 500)}`,
      sheet_name: pick(['Dialogue', '对话', 'アイテム', 'UI / Menü']),
      row_index: row,
      column_name: pick(['Text', '文本 ', 'テキスト']),
      source_text: text(),
      ...(random() < 0.5 ? { context: text() } : {}),
    }),
  );
  const finished = pending.map((task): TaskRecord => {
    const started = Date.UTC(2025, 8, 30, 10) + task.row_index * 37;
    const fate = random();
    if (fate < 0.1) return task;
    const times = {
      start_time: new Date(started).toISOString(),
      end_time: new Date(started + 5000).toISOString(),
    };
    if (fate < 0.15) {
      return {
        ...task,
        ...times,
        status: 'failed',
        error_message: `API rate limit: ${text()}`,
        retry_count: 3,
        duration_ms: 5000,
      };
    }
    return {
      ...task,
      ...times,
      status: 'completed',
      target_text: text(),
      confidence: Math.round(random() * 10_000) / 10_000,
      duration_ms: Math.floor(random() * 100_000),
    };
  });
  return { session, pending, finished };
}
