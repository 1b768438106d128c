import { treaty } from '@elysiajs/eden';
import type { App } from '../../src/app.ts';

/**
 * A client whose requests and answers have the types of the routes themselves.
 *
 *     const client = createClient('http://localhost:8001');
 *     const { data, error } = await client.api.v1.translation.sessions({ session_id }).get();
 *
 * @param url where the service listens.
 */
export function createClient(url: string) {
  return treaty<App>(url);
}
