import { Elysia } from 'elysia';

export const requestIdHeader = 'x-request-id';

/** An id from a client is taken over if it is short and printable; it ends up in logs. */
const acceptable = /^[\w.:-]{1,128}$/;

/** Gives each request an id, the client's own or a new one, and sends it back. */
export const requestIds = new Elysia({ name: 'request-ids' }).onRequest(({ request, set }) => {
  const given = request.headers.get(requestIdHeader);
  set.headers[requestIdHeader] = given !== null && acceptable.test(given) ? given : Bun.randomUUIDv7();
});
