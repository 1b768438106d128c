/** Every step at which a service can be killed. Those of `storage` are the plugin's; `commit` is MySQL's. */
export const journalSteps = [
  'create',
  'append',
  'sync',
  'ack',
  'checkpoint',
  'remove',
  'sync folder',
] as const;
export const storageSteps = ['store', 'mark deleted', 'delete'] as const;
export const moments = ['before', 'within', 'after'] as const;

type Step = (typeof journalSteps)[number] | (typeof storageSteps)[number] | 'commit' | 'truncate';

/** A moment of the n-th time that a step is done. */
export interface FaultPoint {
  step: Step;
  moment: (typeof moments)[number];
  nth: number;
}

/** As KILL_AT takes it. */
export function printFaultPoint({ step, moment, nth }: FaultPoint): string {
  return `${step}:${moment}:${nth}`;
}

export function parseFaultPoint(text: string): FaultPoint {
  const [step, moment, nth] = text.split(':');
  return { step: step as Step, moment: moment as FaultPoint['moment'], nth: Number(nth) };
}
