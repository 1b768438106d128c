import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ApiDocument, Operation } from './api-document.ts';

/** Names the folder for the records of a run. */
export const recordFolderVariable = 'ANSWER_RECORDS';

/** One answer that a test got, as far as the document is concerned. */
export interface RecordedAnswer {
  /** `GET /health`; undefined for a path that is no endpoint. */
  operation?: string;
  status: number;
  /** Of an error. */
  code?: string;
  /** What the document does not say of it. */
  problems: string[];
}

/** An answer that no test can bring about. */
export interface Unprovoked {
  /** All endpoints, if missing. */
  operation?: string;
  code: string;
  reason: string;
}

const unprovoked: readonly Unprovoked[] = [
  {
    code: 'INTERNAL_ERROR',
    reason: 'a fault of the service itself: a request that provokes one is to be mended',
  },
];

/** Every answer that the tests of a run got. */
export function recordedAnswers(folder: string): RecordedAnswer[] {
  return readdirSync(folder).flatMap((name) =>
    readFileSync(join(folder, name), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as RecordedAnswer),
  );
}

/** Answers that break the document, one sentence each. */
export function undocumented(answers: readonly RecordedAnswer[]): string[] {
  const sentences = answers.flatMap(({ operation, status, code, problems }) =>
    problems.map(
      (problem) => `${nameOf(operation ?? 'a path that is no endpoint', status, code)}: ${problem}`,
    ),
  );
  return [...new Set(sentences)].toSorted();
}

/** What the document promises and no answer has shown, and what of `allowed` was shown after all, one sentence each. */
export function notExercised(
  document: ApiDocument,
  answers: readonly RecordedAnswer[],
  allowed: readonly Unprovoked[] = unprovoked,
): string[] {
  const shown = new Set(answers.map(({ operation = '', status, code }) => nameOf(operation, status, code)));
  const isAllowed = (operation: Operation, code: string | undefined): boolean =>
    allowed.some((each) => each.code === code && (each.operation ?? operation.name) === operation.name);
  return document.operations.flatMap((operation) =>
    promisesOf(operation).flatMap(([status, code]) => {
      const name = nameOf(operation.name, status, code);
      if (isAllowed(operation, code))
        return shown.has(name) ? [`allowed to be missing, and is not: ${name}`] : [];
      return shown.has(name) ? [] : [`no test brings about: ${name}`];
    }),
  );
}

/** Each status of an endpoint; of errors, each code. */
function promisesOf({ answers, errorCodes }: Operation): [status: number, code: string | undefined][] {
  return Object.keys(answers).flatMap((text): [number, string | undefined][] => {
    const status = Number(text);
    const codes = errorCodes(status);
    return codes.length === 0 ? [[status, undefined]] : codes.map((code) => [status, code]);
  });
}

function nameOf(operation: string, status: number, code: string | undefined): string {
  return `${operation} ${status}${code === undefined ? '' : ` ${code}`}`;
}
