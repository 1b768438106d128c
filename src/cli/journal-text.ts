import { type Damage, hasBytes, type Survey } from '../journal/survey.ts';

/** `1 frame`, `2 frames`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** What is damaged, and what that lost. */
export function describeDamage(damage: Damage, { tornTail }: Survey): string {
  const { segment, start, end, lostFrames } = damage;
  if (!hasBytes(damage)) return `${segment}: ${counted(lostFrames, 'frame')} missing before byte ${start}`;
  const bytes = `${segment}: ${counted(end - start, 'byte')} damaged at ${start}`;
  if (damage === tornTail) return `${bytes}, the end: a write that was cut short leaves this`;
  return `${bytes}, ${counted(lostFrames, 'frame')} lost`;
}

export function damageAsJson({ segment, start, end, lostFrames }: Damage) {
  return { file: segment, offset: start, length: end - start, lost_frames: lostFrames };
}

export function lostFramesOf({ damage }: Pick<Survey, 'damage'>): number {
  return damage.reduce((sum, { lostFrames }) => sum + lostFrames, 0);
}
