import { describeError, ServiceError } from '../platform/errors.ts';

/** The context property of a body's bytes, before a body was read. */
export const noBytes: { bodyBytes: Uint8Array } = { bodyBytes: new Uint8Array(0) };

/**
 * A parser for routes that take JSON: reads the body as JSON in UTF-8, whatever its content type says, and keeps
 * its bytes as `bodyBytes`, which go into the journal as they came.
 * @param bytesMax a larger body is refused before it is read, or as soon as it has grown too large.
 * @param options `batch`: a longer one is refused before each of its records is looked at; `optional`: no body at
 * all is an empty object.
 */
export function jsonParser(
  bytesMax: number,
  { batch, optional = false }: { batch?: { field: string; recordsMax: number }; optional?: boolean } = {},
) {
  return async (context: { request: Request; bodyBytes: Uint8Array }): Promise<unknown> => {
    try {
      context.bodyBytes = await readBody(context.request, bytesMax);
    } catch (cause) {
      if (cause instanceof ServiceError) throw cause;
      throw new ServiceError('INVALID_JSON', 'The body broke off before its end', { cause });
    }
    if (optional && context.bodyBytes.length === 0) return {};
    const body = parseJson(context.bodyBytes);
    if (batch === undefined) return body;
    const records = (body as Record<string, unknown> | null)?.[batch.field];
    if (Array.isArray(records) && records.length > batch.recordsMax) {
      const message = `must have at most ${batch.recordsMax} records, not ${records.length}`;
      const errors = [{ field: batch.field, message }];
      throw new ServiceError('VALIDATION_FAILED', `Invalid request: ${batch.field} ${message}`, { errors });
    }
    return body;
  };
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function parseJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch (cause) {
    throw new ServiceError('INVALID_JSON', 'The body is not UTF-8', { cause });
  }
  if (text.trim() === '')
    throw new ServiceError('INVALID_JSON', 'The body is empty; it must be a JSON object');
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ServiceError('INVALID_JSON', `The body is not JSON (${describeError(cause)})`, { cause });
  }
}

async function readBody(request: Request, bytesMax: number): Promise<Uint8Array> {
  const announced = request.headers.get('content-length');
  // Two lengths come as `2, 2`.
  if (announced !== null && /^\d+$/.test(announced)) {
    if (Number(announced) > bytesMax) throw tooLarge(bytesMax);
    return new Uint8Array(await request.arrayBuffer());
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw tooLarge(bytesMax);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(bytesMax: number): ServiceError {
  return new ServiceError(
    'BODY_TOO_LARGE',
    `The body is larger than ${bytesMax} bytes (service.body_bytes_max); send smaller batches`,
  );
}
