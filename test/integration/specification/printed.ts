/** What a document prints of one endpoint. */
export interface PrintedSection {
  heading: string;
  /** Method and path. */
  endpoint?: string;
  /** The query's parameters, with the examples of those that have one. */
  parameters?: Readonly<Record<string, string>>;
  body?: string;
  /** Shell commands, or a method with a path. */
  calls?: readonly string[];
  answer?: string;
  error?: string;
}

export interface PrintedDocument {
  name: string;
  /** The rows of its list of endpoints. */
  endpoints?: string;
  sections: readonly PrintedSection[];
}

/** That something is not as printed; `path` has no numbers: `items[].status`. */
export interface Difference {
  path: string;
  /** Whether it is missing or of another type, or only has another value. */
  of: 'type' | 'value';
  problem: string;
}

/** Reads printed JSON, in which `{...}`, `[...]`, `"..."` and comments stand for what is left out. */
export function printedJson(text: string): unknown {
  return JSON.parse(
    text
      .replaceAll('{...}', '{}')
      .replaceAll('[...]', '[]')
      .replaceAll(/,?\s*\/\/ .*/g, ''),
  );
}

/**
 * Where an answer lacks a printed field, has it with another type, or with another value. An answer may have more
 * fields. Of times, only the form is compared; items of a list are compared with those of the same id.
 */
export function differences(printed: unknown, answered: unknown, path = ''): Difference[] {
  if (typeOf(printed) !== typeOf(answered)) {
    return [{ path, of: 'type', problem: `${typeOf(answered)} instead of ${typeOf(printed)}` }];
  }
  if (Array.isArray(printed)) return differencesOfLists(printed, answered as unknown[], path);
  if (isObject(printed)) {
    return Object.entries(printed).flatMap(([name, value]) =>
      differences(value, (answered as Record<string, unknown>)[name], path === '' ? name : `${path}.${name}`),
    );
  }
  if (printed === '...' || formOf(printed) === formOf(answered)) return [];
  return [
    { path, of: 'value', problem: `${JSON.stringify(answered)} instead of ${JSON.stringify(printed)}` },
  ];
}

function differencesOfLists(
  printed: readonly unknown[],
  answered: readonly unknown[],
  path: string,
): Difference[] {
  return printed.flatMap((item, index) => {
    const same = answered.find(
      (candidate) => idOf(candidate) !== undefined && idOf(candidate) === idOf(item),
    );
    return differences(item, same ?? answered[index], `${path}[]`);
  });
}

function idOf(item: unknown): unknown {
  return isObject(item) ? (item.task_id ?? item.session_id) : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function typeOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

/** A time of this century without its digits, fractions left out; anything else as it is. */
function formOf(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  return value.replace(/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?(?=Z?$)/, 'a time');
}
