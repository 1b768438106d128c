import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

/** A file that is served from memory. */
export interface StaticFile {
  contentType: string;
  /** Its text; asked for once. */
  text(): string | Promise<string>;
}

interface Prepared {
  bytes: Uint8Array<ArrayBuffer>;
  zipped: Uint8Array<ArrayBuffer>;
  etag: string;
}

/** May load from this service only, and nothing from anywhere else; a worker may be made of the script's own text. */
const securityPolicy = [
  "default-src 'self'",
  "img-src 'self' data:",
  "style-src 'self' 'unsafe-inline'",
  "worker-src 'self' blob:",
  "object-src 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Answers with a file: compressed for clients that can read it, and without a body for those that have it already. */
export function serveStatic({ contentType, text }: StaticFile): (request: Request) => Promise<Response> {
  let prepared: Promise<Prepared> | undefined;
  return async (request) => {
    prepared ??= prepare(text);
    const { bytes, zipped, etag } = await prepared;
    const headers = {
      'content-type': contentType,
      'content-security-policy': securityPolicy,
      'x-content-type-options': 'nosniff',
      // Kept, and asked for again each time: an update shows at once.
      'cache-control': 'no-cache',
      vary: 'accept-encoding',
      etag,
    };
    if (holds(request.headers.get('if-none-match'), etag))
      return new Response(null, { status: 304, headers });
    if (!holds(request.headers.get('accept-encoding'), 'gzip')) return new Response(bytes, { headers });
    return new Response(zipped, { headers: { ...headers, 'content-encoding': 'gzip' } });
  };
}

async function prepare(text: StaticFile['text']): Promise<Prepared> {
  const bytes = new TextEncoder().encode(await text());
  const zipped = new Uint8Array(await promisify(gzip)(bytes));
  return { bytes, zipped, etag: `W/"${Bun.hash(bytes).toString(36)}"` };
}

/** Whether a header's list has an item, whatever its weight. */
function holds(header: string | null, item: string): boolean {
  return header?.split(',').some((part) => part.split(';')[0]?.trim() === item) === true;
}
