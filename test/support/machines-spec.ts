import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv, type ErrorObject } from 'ajv';
import { expect } from 'chai';

/** The API's description lies beside the checkout, or where FLY_MACHINES_SPEC says; it is not part of the project. */
const CANDIDATES = [
  process.env['FLY_MACHINES_SPEC'],
  fileURLToPath(new URL('../../../shared/specs/fly-machines.openapi.json', import.meta.url)),
].filter((path) => path !== undefined);

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly allOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
}

interface Response {
  readonly content?: Readonly<Record<string, { readonly schema?: Schema }>>;
}

interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema?: Schema }[];
  readonly requestBody?: Response;
  readonly responses: Readonly<Record<string, Response>>;
}

interface Description {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

/**
 * What answers hold beyond the description: fields of Fly's own client library that it leaves out, and the
 * emulator's own, which begin with `deployer_`.
 */
const BEYOND = new Set(['/version', '/cordoned']);

/** The file with the API's description; undefined when there is none here. */
export function findMachinesSpec(): string | undefined {
  return CANDIDATES.find((path) => existsSync(path));
}

/** Compares answers with the description: status, types, and that nothing is in them that it does not know. */
export class MachinesSpec {
  readonly #description: Description;
  readonly #ajv = new Ajv({ strict: false, allErrors: true });
  /** `GET /apps/{app_name}` for every operation that an answer was compared for. */
  readonly seen = new Set<string>();

  constructor(file: string) {
    this.#description = JSON.parse(readFileSync(file, 'utf8')) as Description;
    this.#ajv.addSchema(this.#description, 'fly');
  }

  /** What in this answer is not as described; empty when all is. */
  problems(method: string, path: string, status: number, body: unknown): readonly string[] {
    const template = this.#template(path);
    if (template === undefined) return status === 404 ? [] : [`${path} is not described`];
    const operation = this.#description.paths[template]?.[method.toLowerCase()];
    if (operation === undefined) return status === 405 ? [] : [`${method} ${template} is not described`];
    this.seen.add(`${method} ${template}`);
    const described = operation.responses[String(status)];
    if (described === undefined && status < 400)
      return [`${method} ${template}: status ${status} is not described`];
    const schema = described === undefined ? ERROR : described.content?.['application/json']?.schema;
    if (schema === undefined) return [];
    const data = asDescribed(body);
    return [...this.#invalid(schema, data), ...this.#unknown(schema, data, '')];
  }

  /**
   * What in this request is not as described; empty when all is.
   * @param url below the API's version
   * @param beyond what the wire takes and the description leaves out: `kill`, `/app_name`
   */
  requestProblems(method: string, url: URL, body: unknown, beyond: readonly string[]): readonly string[] {
    const template = this.#template(url.pathname);
    const operation =
      template === undefined ? undefined : this.#description.paths[template]?.[method.toLowerCase()];
    if (template === undefined || operation === undefined)
      return [`${method} ${url.pathname} is not described`];
    this.seen.add(`${method} ${template}`);
    const queries = operation.parameters?.filter((each) => each.in === 'query') ?? [];
    const badQueries = [...url.searchParams].flatMap(([name, value]) => {
      const schema = queries.find((each) => each.name === name)?.schema;
      if (schema === undefined) return beyond.includes(name) ? [] : [`?${name} is not described`];
      return this.#invalid(schema, schema.type === 'string' ? value : JSON.parse(value));
    });
    const schema = operation.requestBody?.content?.['application/json']?.schema;
    if (schema === undefined)
      return [...badQueries, ...(body === undefined ? [] : ['a body is not described'])];
    const badBody = [...this.#invalid(schema, body), ...this.#unknown(schema, body, '')];
    return [...badQueries, ...badBody.filter((problem) => !beyond.some((each) => problem.startsWith(each)))];
  }

  #template(path: string): string | undefined {
    const parts = path.split('/');
    const fits = (template: string): boolean => {
      const pattern = template.split('/');
      return (
        pattern.length === parts.length &&
        pattern.every((part, at) => part.startsWith('{') || part === parts[at])
      );
    };
    return Object.keys(this.#description.paths).find(fits);
  }

  #invalid(schema: Schema, data: unknown): readonly string[] {
    const validate = this.#ajv.compile(absoluteRefs(schema));
    if (validate(data)) return [];
    return (validate.errors ?? []).map(
      ({ instancePath, message }: ErrorObject) => `${instancePath}: ${message}`,
    );
  }

  // The description requires nothing and forbids nothing: without this a wrong field's name would pass.
  #unknown(schema: Schema, data: unknown, at: string): readonly string[] {
    const flat = this.#flat(schema);
    if (Array.isArray(data)) return data.flatMap((each) => this.#unknown(flat.items ?? {}, each, at));
    if (typeof data !== 'object' || data === null || flat.properties === undefined) return [];
    return Object.entries(data).flatMap(([key, value]) => {
      const property = flat.properties?.[key];
      if (property !== undefined) return this.#unknown(property, value, `${at}/${key}`);
      const known = BEYOND.has(`/${key}`) || key.startsWith('deployer_');
      return known ? [] : [`${at}/${key}: is not described`];
    });
  }

  #flat(schema: Schema): Schema {
    if (schema.$ref !== undefined) {
      const found = this.#ajv.getSchema(`fly${schema.$ref}`)?.schema;
      return this.#flat(found as Schema);
    }
    if (schema.allOf === undefined) return schema;
    return Object.assign({}, schema, ...schema.allOf.map((each) => this.#flat(each))) as Schema;
  }
}

/**
 * The last `describe` of a suite whose client compared each answer with the API's description: that none of these
 * operations was left out. Pending where there is no description.
 */
export function describedOperations(
  spec: () => MachinesSpec | undefined,
  operations: readonly string[],
): void {
  describe('every answer', () => {
    it("is as the API's description says", function () {
      const seen = spec()?.seen;
      if (seen !== undefined) {
        expect([...seen]).to.include.members(operations);
        return;
      }
      const suite = this.test?.parent;
      if (suite) suite.pendingReason = 'the description of the Machines API is not here (FLY_MACHINES_SPEC)';
      this.skip();
    });
  });
}

const ERROR: Schema = { $ref: '#/components/schemas/ErrorResponse' };

function absoluteRefs(schema: Schema): Schema {
  return JSON.parse(JSON.stringify(schema).replaceAll('"$ref":"#/', '"$ref":"fly#/')) as Schema;
}

/**
 * What the wire has and the description does not: leases and refusals for their sake are wrapped, and a name that is
 * taken has a status of its own.
 */
function asDescribed(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || !('status' in body)) return body;
  if (body.status === 'success' && 'data' in body) return body.data;
  const { status, ...rest } = body as Readonly<Record<string, unknown>>;
  if (status === 'name_taken') return rest;
  if (status !== 'error') return body;
  const { code: _code, message: _message, ...error } = rest;
  return error;
}
