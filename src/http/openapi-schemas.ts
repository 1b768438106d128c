import { isDeepStrictEqual } from 'node:util';
import type { OpenAPIV3 } from 'openapi-types';

/** A schema as a route has it, in JSON: JSON Schema with a few keywords of our own. */
export interface RouteSchema {
  title?: string;
  description?: string;
  examples?: unknown[];
  const?: unknown;
  properties?: Record<string, RouteSchema>;
  patternProperties?: Record<string, RouteSchema>;
  additionalProperties?: boolean;
  items?: RouteSchema;
  anyOf?: RouteSchema[];
  'x-bytesMax'?: number;
  'x-initial'?: number;
  'x-merge'?: string;
  [keyword: string]: unknown;
}

type DocumentSchema = OpenAPIV3.SchemaObject | OpenAPIV3.ReferenceObject;

/**
 * Turns the schemas of routes into those of OpenAPI 3.0. A schema with a title becomes a shared component of that
 * name; the title is not a part of it.
 */
export class SchemaComponents {
  readonly schemas: Record<string, OpenAPIV3.SchemaObject> = {};

  convert({ title, ...schema }: RouteSchema): DocumentSchema {
    const converted = this.#convertUntitled(schema);
    if (title === undefined) return converted;
    const known = this.schemas[title];
    if (known === undefined) this.schemas[title] = converted;
    else if (!isSame(known, converted)) throw new Error(`Two different schemas have the title "${title}"`);
    return { $ref: `#/components/schemas/${title}` };
  }

  #convertUntitled(schema: RouteSchema): OpenAPIV3.SchemaObject {
    const {
      const: only,
      examples,
      properties,
      patternProperties,
      items,
      anyOf,
      description,
      additionalProperties,
      'x-bytesMax': bytesMax,
      'x-initial': initial,
      'x-merge': _,
      ...rest
    } = schema;
    const words = [
      description,
      bytesMax === undefined ? undefined : `At most ${bytesMax} bytes in UTF-8.`,
      initial === undefined ? undefined : `${initial} until given.`,
    ].filter((part) => part !== undefined);
    return {
      ...rest,
      ...(only === undefined ? {} : { enum: [only] }),
      ...(words.length === 0 ? {} : { description: words.join(' ') }),
      ...(examples === undefined ? {} : { example: examples[0] }),
      ...(properties === undefined
        ? {}
        : {
            properties: Object.fromEntries(
              Object.entries(properties).map(([name, property]) => [name, this.convert(property)]),
            ),
          }),
      // Elysia closes the objects of answers, but only the inner ones; a client must not rely on that.
      ...(additionalProperties === true || patternProperties !== undefined
        ? { additionalProperties: true }
        : {}),
      ...(items === undefined ? {} : { items: this.convert(items) }),
      ...(anyOf === undefined ? {} : { anyOf: anyOf.map((each) => this.convert(each)) }),
    };
  }
}

/** Whether two schemas say the same; the description and the example of an answer are its own. */
function isSame(one: OpenAPIV3.SchemaObject, other: OpenAPIV3.SchemaObject): boolean {
  const { description: _, example: __, ...rest } = one;
  const { description: ___, example: ____, ...otherRest } = other;
  return isDeepStrictEqual(rest, otherRest);
}
