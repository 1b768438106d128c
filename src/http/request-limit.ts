import { Elysia } from 'elysia';
import { Gauge, type Registry } from 'prom-client';
import { ServiceError } from '../platform/errors.ts';

type Fetch = (request: Request) => Response | Promise<Response>;

export interface RequestLimits {
  /** Requests at a time. */
  requestsMax: number;
  /** Bytes of their bodies together: as announced, or as many as one may have. */
  bytesMax: number;
  /** Bytes of one body. */
  bodyBytesMax: number;
}

/** What an operator looks at in an overload is answered all the same. */
const unlimited = /^\/(?!api\/v1\/)|^\/api\/v1\/system\//;

/** Counts what requests take together: how many they are, and the bytes of their bodies. A request alone is always taken. */
export class RequestLimit {
  readonly #limits: RequestLimits;
  #requests = 0;
  #bytes = 0;

  constructor(limits: RequestLimits) {
    this.#limits = limits;
  }

  /** Requests being answered. */
  get requests(): number {
    return this.#requests;
  }

  /** Counts each request from its arrival until its answer begins. */
  counting(fetch: Fetch): Fetch {
    return async (request) => {
      const bytes = this.#bodyBytesOf(request);
      this.#requests += 1;
      this.#bytes += bytes;
      try {
        return await fetch(request);
      } finally {
        this.#requests -= 1;
        this.#bytes -= bytes;
      }
    };
  }

  /** No more of a body is read than one may have, whatever is announced. */
  #bodyBytesOf({ headers }: Request): number {
    const { bodyBytesMax } = this.#limits;
    const announced = headers.get('content-length');
    if (announced === null) return headers.has('transfer-encoding') ? bodyBytesMax : 0;
    return /^\d+$/.test(announced) ? Math.min(Number(announced), bodyBytesMax) : bodyBytesMax;
  }

  /** More is being answered than should be, the request that asks included. */
  get isExceeded(): boolean {
    const { requestsMax, bytesMax } = this.#limits;
    return this.#requests > 1 && (this.#requests > requestsMax || this.#bytes > bytesMax);
  }
}

/** Refuses requests that are too many before their bodies are read. */
export function requestLimits(limit: RequestLimit, registry: Registry) {
  new Gauge({
    name: 'persistence_api_requests_in_progress',
    help: 'API requests whose answer has not begun',
    registers: [registry],
    collect() {
      this.set(limit.requests);
    },
  });
  return new Elysia({ name: 'request-limits' }).onRequest(({ request }) => {
    if (!limit.isExceeded || unlimited.test(URL.parse(request.url)?.pathname ?? '')) return;
    throw new ServiceError('OVERLOADED', 'The service is answering as many requests as it may; try again', {
      retryAfterSeconds: 1,
    });
  });
}
