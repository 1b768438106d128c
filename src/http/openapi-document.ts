import type { OpenAPIV3 } from 'openapi-types';
import { errorAnswersOf, errorSchema, errorsKeyword } from './openapi-errors.ts';
import { type RouteSchema, SchemaComponents } from './openapi-schemas.ts';

/** The document as the plugin derives it from the routes: their schemas, for every content type it can think of. */
export interface RouteDocument
  extends Required<Pick<OpenAPIV3.Document, 'openapi' | 'info' | 'servers' | 'tags'>> {
  paths: Record<string, Record<string, RouteOperation>>;
}

interface RouteOperation extends Omit<OpenAPIV3.OperationObject, 'parameters' | 'requestBody' | 'responses'> {
  parameters?: RouteParameter[];
  requestBody?: { content: RouteContent };
  responses: Record<string, RouteAnswer>;
  [optionalBodyKeyword]?: boolean;
  [errorsKeyword]?: Parameters<typeof errorAnswersOf>[0];
}

interface RouteParameter {
  name: string;
  in: string;
  required: boolean;
  description?: string;
  examples?: unknown[];
  schema: RouteSchema;
}

/** The plugin takes title, description and examples of an answer's schema for the answer's own. */
interface RouteAnswer {
  title?: string;
  description?: string;
  examples?: unknown[];
  content?: RouteContent;
}

type RouteContent = Record<string, { schema: RouteSchema }>;

const optionalBodyKeyword = 'x-optional-body';

/** For the `detail` of a route that takes a body, and does without one. */
export const optionalBody = { [optionalBodyKeyword]: true };

/** A valid OpenAPI 3.0 document of what the plugin derives, with the errors that the routes declare. */
export function openApiDocument({ openapi, info, servers, tags, paths }: RouteDocument): OpenAPIV3.Document {
  const components = new SchemaComponents();
  const converted = mapValues(paths, (operations) =>
    mapValues(operations, (operation) => operationOf(operation, components)),
  );
  return {
    ...{ openapi, info, servers, tags },
    paths: converted,
    components: {
      schemas: { ...sortedByName(components.schemas), Error: errorSchema },
      parameters: { RequestId: requestIdParameter },
      headers: { RequestId: requestIdHeader, RetryAfter: retryAfterHeader },
    },
  };
}

function operationOf(operation: RouteOperation, components: SchemaComponents): OpenAPIV3.OperationObject {
  const { parameters = [], requestBody, responses, [errorsKeyword]: errors = {}, ...rest } = operation;
  const { operationId, tags, summary, description } = rest;
  const isBodyRequired = operation[optionalBodyKeyword] !== true;
  const errorAnswers = errorAnswersOf(errors, tags?.includes('system') !== true);
  const twice = Object.keys(responses).find((status) => status in errorAnswers);
  if (twice !== undefined)
    throw new Error(`${rest.operationId} has both an error and another answer: ${twice}`);
  const answers = {
    ...errorAnswers,
    ...mapValues(responses, (answer) => answerOf(answer, components)),
  };
  return {
    ...{ operationId, tags, summary, description },
    parameters: [
      ...parameters.map((parameter) => parameterOf(parameter, components)),
      { $ref: '#/components/parameters/RequestId' },
    ],
    ...(requestBody === undefined
      ? {}
      : { requestBody: { ...bodyOf(requestBody.content, components), required: isBodyRequired } }),
    responses: mapValues(answers, withRequestId),
  } as OpenAPIV3.OperationObject;
}

function parameterOf(parameter: RouteParameter, components: SchemaComponents): OpenAPIV3.ParameterObject {
  const { name, in: place, required, description, examples, schema } = parameter;
  return {
    name,
    in: place,
    required,
    ...(description === undefined ? {} : { description }),
    schema: components.convert(schema),
    ...(examples === undefined ? {} : { example: examples[0] }),
  };
}

function bodyOf(content: RouteContent, components: SchemaComponents): OpenAPIV3.RequestBodyObject {
  const { schema } = jsonOf(content);
  return {
    ...(schema.description === undefined ? {} : { description: schema.description }),
    content: { 'application/json': mediaOf(schema, components) },
  };
}

function answerOf(answer: RouteAnswer, components: SchemaComponents): OpenAPIV3.ResponseObject {
  const { content = {}, description = '', title, examples } = answer;
  const own = { ...(title === undefined ? {} : { title }), ...(examples === undefined ? {} : { examples }) };
  const json = 'application/json' in content ? { 'application/json': jsonOf(content) } : content;
  return {
    description,
    content: mapValues(json, ({ schema }) => mediaOf({ ...schema, description, ...own }, components)),
  };
}

/** The example of a whole body belongs to the body; its component is a part of others as well. */
function mediaOf(
  { examples, ...schema }: RouteSchema,
  components: SchemaComponents,
): OpenAPIV3.MediaTypeObject {
  return {
    schema: components.convert(schema),
    ...(examples === undefined ? {} : { example: examples[0] }),
  };
}

function jsonOf(content: RouteContent): { schema: RouteSchema } {
  const json = content['application/json'];
  if (json === undefined) throw new Error('A body that is not JSON');
  return json;
}

function withRequestId(
  answer: OpenAPIV3.ResponseObject | OpenAPIV3.ReferenceObject,
): OpenAPIV3.ResponseObject {
  const { description, headers, ...rest } = answer as OpenAPIV3.ResponseObject;
  return {
    description,
    headers: { 'x-request-id': { $ref: '#/components/headers/RequestId' }, ...headers },
    ...rest,
  };
}

const requestId: OpenAPIV3.HeaderObject = {
  schema: { type: 'string', minLength: 1, maxLength: 128, pattern: '^[\\w.:-]+$' },
  example: '01a20550-d756-74be-9824-81f39a4d176c',
};

const requestIdParameter: OpenAPIV3.ParameterObject = {
  name: 'x-request-id',
  in: 'header',
  required: false,
  description:
    'An id of your own for the request, for the log and the answer; one that does not fit is replaced.',
  ...requestId,
};

const requestIdHeader: OpenAPIV3.HeaderObject = {
  description: 'The id of the request: its own, or a new one. The log has it.',
  ...requestId,
};

const retryAfterHeader: OpenAPIV3.HeaderObject = {
  description: 'Seconds after which to try again.',
  schema: { type: 'integer', minimum: 1 },
  example: 5,
};

function mapValues<Value, Mapped>(
  object: Record<string, Value>,
  map: (value: Value) => Mapped,
): Record<string, Mapped> {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, map(value)]));
}

function sortedByName<Value>(object: Record<string, Value>): Record<string, Value> {
  return Object.fromEntries(Object.entries(object).sort(([one], [other]) => (one < other ? -1 : 1)));
}
