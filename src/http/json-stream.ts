import { describeError } from '../platform/errors.ts';
import type { Logger } from '../platform/logger.ts';

/** Characters of JSON that go out at a time. */
const charactersAtATime = 64 * 1024;

/**
 * Answers with a JSON object one of whose fields is a long list, item by item as the client takes them.
 * @param before the fields in front of the list.
 * @param after the fields behind it, when its length is known.
 * @param what it is, for the log if it breaks off: the status is out by then, and the client sees the connection end.
 */
export function streamedJson(
  parts: {
    before: Readonly<Record<string, unknown>>;
    list: { name: string; items: AsyncIterable<unknown> };
    after: (count: number) => Readonly<Record<string, unknown>>;
  },
  { logger, what }: { logger: Logger; what: string },
): Response {
  const chunks = textOf(parts);
  const encoder = new TextEncoder();
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const chunk = await chunks.next();
        if (chunk.done === true) controller.close();
        else controller.enqueue(encoder.encode(chunk.value));
      } catch (error) {
        logger.error(`${what} broke off`, { error: describeError(error) });
        controller.error(error);
      }
    },
    async cancel() {
      await chunks.return(undefined);
    },
  });
  return new Response(stream, { headers: { 'content-type': 'application/json' } });
}

async function* textOf({ before, list, after }: Parameters<typeof streamedJson>[0]): AsyncGenerator<string> {
  let text = `{${fieldsOf(before)},${JSON.stringify(list.name)}:[`;
  let count = 0;
  for await (const item of list.items) {
    text += `${count === 0 ? '' : ','}${JSON.stringify(item)}`;
    count += 1;
    if (text.length < charactersAtATime) continue;
    yield text;
    text = '';
  }
  yield `${text}],${fieldsOf(after(count))}}`;
}

function fieldsOf(fields: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(fields).slice(1, -1);
}
