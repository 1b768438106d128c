import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';
import type { OpenAPIV3 } from 'openapi-types';
import type { RecordedAnswer } from './api-coverage.ts';

/** One endpoint of the document, its references resolved. */
export interface Operation
  extends Pick<OpenAPIV3.OperationObject, 'operationId' | 'tags' | 'summary' | 'description'> {
  /** `GET /api/v1/translation/tasks/{task_id}` */
  name: string;
  method: string;
  path: string;
  parameters: OpenAPIV3.ParameterObject[];
  /** The answers by their status. */
  answers: Record<string, OpenAPIV3.ResponseObject>;
  /** The body of the request, if there is one, and of each answer. */
  bodies: { what: string; media: OpenAPIV3.MediaTypeObject }[];
  /** The codes with which an error of this status answers; none for an answer that is no error. */
  errorCodes(status: number): string[];
}

/** The OpenAPI document, to ask what it says. */
export class ApiDocument {
  readonly operations: readonly Operation[];
  readonly #document: OpenAPIV3.Document;
  readonly #ajv = addFormats.default(new Ajv({ strict: false, allErrors: true }));
  readonly #checks = new Map<unknown, ValidateFunction>();

  constructor(document: OpenAPIV3.Document) {
    this.#document = document;
    this.#ajv.addSchema(closed({ components: document.components }), 'document');
    this.operations = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.entries(item ?? {}).map(([method, operation]) =>
        this.#operation(method.toUpperCase(), path, operation as OpenAPIV3.OperationObject),
      ),
    );
  }

  /** The endpoint that answers a request; a path without parameters goes before one with them. */
  operationOf(method: string, pathname: string): Operation | undefined {
    const matching = this.operations.filter(
      (operation) => operation.method === method && patternOf(operation.path).test(pathname),
    );
    return matching.find(({ path }) => !path.includes('{')) ?? matching[0];
  }

  /** What there is to note of an answer; without its body, only what the head of it says. */
  recorded(method: string, pathname: string, { status, headers }: Response, body?: string): RecordedAnswer {
    const operation = this.operationOf(method, pathname);
    const code = body === undefined ? undefined : errorCodeOf(body);
    return {
      ...(operation === undefined ? {} : { operation: operation.name }),
      status,
      ...(code === undefined ? {} : { code }),
      problems: this.#problemsOfAnswer(operation, status, headers, body),
    };
  }

  /** What of a value a schema does not describe: what breaks it, and fields that it does not have. */
  problemsOf(schema: OpenAPIV3.MediaTypeObject['schema'], value: unknown): string[] {
    const check = this.#checks.get(schema) ?? this.#ajv.compile(withDocument(closed(schema ?? false)));
    this.#checks.set(schema, check);
    if (check(value)) return [];
    return (check.errors ?? []).map(
      ({ instancePath, message, params }: ErrorObject) =>
        `${instancePath || 'it'} ${message} ${JSON.stringify(params)}`,
    );
  }

  #problemsOfAnswer(
    operation: Operation | undefined,
    status: number,
    headers: Headers,
    body: string | undefined,
  ): string[] {
    if (operation === undefined)
      return body === undefined || isOfNoEndpoint(headers, body) ? [] : ['is no endpoint'];
    const answer = operation.answers[status];
    if (answer === undefined) return ['the document does not have this status'];
    const type = headers.get('content-type')?.split(';')[0] ?? 'no content type';
    const media = answer.content?.[type];
    if (media === undefined) return [`the document does not have ${type}`];
    const missing = Object.keys(answer.headers ?? {}).filter((name) => !headers.has(name));
    if (missing.length > 0) return [`has no header ${missing.join(', ')}`];
    return body === undefined || type !== 'application/json'
      ? []
      : this.problemsOf(media.schema, JSON.parse(body));
  }

  #operation(method: string, path: string, operation: OpenAPIV3.OperationObject): Operation {
    const { operationId, tags, summary, description, requestBody, parameters = [] } = operation;
    const answers = Object.fromEntries(
      Object.entries(operation.responses).map(([status, answer]) => [
        status,
        this.#resolved<OpenAPIV3.ResponseObject>(answer),
      ]),
    );
    const contents: [string, OpenAPIV3.ResponseObject['content']][] = [
      ['request', requestBody && this.#resolved<OpenAPIV3.RequestBodyObject>(requestBody).content],
      ...Object.entries(answers).map(
        ([status, { content }]) => [status, content] as [string, typeof content],
      ),
    ];
    return {
      ...({ operationId, tags, summary, description } as Pick<Operation, 'operationId'>),
      name: `${method} ${path}`,
      method,
      path,
      parameters: parameters.map((parameter) => this.#resolved<OpenAPIV3.ParameterObject>(parameter)),
      answers,
      bodies: contents.flatMap(([what, content]) =>
        Object.values(content ?? {}).map((media) => ({ what, media })),
      ),
      errorCodes: (status) => errorCodesOf(answers[status]),
    };
  }

  #resolved<T extends object>(value: T | OpenAPIV3.ReferenceObject): T {
    if (!('$ref' in value)) return value;
    const found = value.$ref
      .split('/')
      .slice(1)
      .reduce<unknown>((within, key) => (within as Record<string, unknown>)[key], this.#document);
    return found as T;
  }
}

/** Whether an answer can be of a path that the document does not have: a page, its parts, the document, a refusal. */
function isOfNoEndpoint(headers: Headers, body: string): boolean {
  const isJson = headers.get('content-type')?.startsWith('application/json') === true;
  return !isJson || errorCodeOf(body) === 'ROUTE_NOT_FOUND' || body.startsWith('{"openapi":');
}

function errorCodeOf(body: string): string | undefined {
  if (!body.includes('"error_code"')) return undefined;
  const { error_code } = JSON.parse(body) as { error_code?: string };
  return error_code;
}

function errorCodesOf(answer: OpenAPIV3.ResponseObject | undefined): string[] {
  const schema = answer?.content?.['application/json']?.schema as OpenAPIV3.SchemaObject | undefined;
  return (schema?.allOf ?? []).flatMap(
    (part) =>
      (part as { properties?: { error_code?: { enum?: string[] } } }).properties?.error_code?.enum ?? [],
  );
}

/** The schema with every object closed: a field that it does not describe is a problem. */
function closed<T>(schema: T): T {
  return JSON.parse(JSON.stringify(schema), (_, value: unknown) => {
    const isOpen =
      typeof value === 'object' &&
      value !== null &&
      'properties' in value &&
      'type' in value &&
      value.type === 'object' &&
      !('additionalProperties' in value);
    return isOpen ? { ...value, additionalProperties: false } : value;
  });
}

/** References of the document start at its root. */
function withDocument<T>(schema: T): T {
  return JSON.parse(JSON.stringify(schema).replaceAll('"#/components/', '"document#/components/'));
}

function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}/?$`);
}
