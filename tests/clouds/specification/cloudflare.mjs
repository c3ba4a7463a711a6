// Writes an OpenAPI document of the Cloudflare operations that coldcase uses, read out of the source of Cloudflare's own SDK.
//
//     node cloudflare.mjs [FILE]      (target/specifications/cloudflare.json unless given)
//
// Method, path template, parameters, body and reply of every operation are those of the SDK's functions and types: nothing
// of them is written here. Requests may hold nothing that the SDK's types do not have; replies may hold more.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { DEFAULT_CONFIG, SchemaGenerator, createFormatter, createParser } from "ts-json-schema-generator";
import ts from "typescript";

const HERE = dirname(fileURLToPath(import.meta.url));
const SDK = join(HERE, "node_modules/cloudflare/src");
const S = "/accounts/{account_id}/workers/scripts/{script_name}";

// Each file of the SDK with the operations of it that belong into the document.
const OPERATIONS = {
  "user/tokens/tokens": ["GET /user/tokens/verify"],
  "accounts/tokens/tokens": ["GET /accounts/{account_id}/tokens/verify"],
  "accounts/logs/audit": ["GET /accounts/{account_id}/logs/audit"],
  "zones/zones": ["GET /zones"],
  "queues/queues": ["GET /accounts/{account_id}/queues"],
  "workers/routes": [
    "GET /zones/{zone_id}/workers/routes", "POST /zones/{zone_id}/workers/routes",
    "DELETE /zones/{zone_id}/workers/routes/{route_id}",
  ],
  "workers/domains": ["GET /accounts/{account_id}/workers/domains", "PUT /accounts/{account_id}/workers/domains"],
  "workers/subdomains": ["GET /accounts/{account_id}/workers/subdomain"],
  "workers/observability/telemetry": ["POST /accounts/{account_id}/workers/observability/telemetry/query"],
  "workers/beta/workers/versions": ["GET /accounts/{account_id}/workers/workers/{worker_id}/versions/{version_id}"],
  "workers/scripts/scripts": ["GET /accounts/{account_id}/workers/scripts", `DELETE ${S}`],
  "workers/scripts/content": [`GET ${S}/content/v2`],
  "workers/scripts/script-and-version-settings": [`GET ${S}/settings`],
  "workers/scripts/settings": [`GET ${S}/script-settings`, `PATCH ${S}/script-settings`],
  "workers/scripts/secrets": [`GET ${S}/secrets`, `PUT ${S}/secrets`, `DELETE ${S}/secrets/{secret_name}`],
  "workers/scripts/versions": [`GET ${S}/versions`, `GET ${S}/versions/{version_id}`],
  "workers/scripts/deployments": [`GET ${S}/deployments`, `POST ${S}/deployments`],
  "workers/scripts/subdomain": [`GET ${S}/subdomain`, `POST ${S}/subdomain`],
  "workers/scripts/schedules": [`GET ${S}/schedules`, `PUT ${S}/schedules`],
  "workers/scripts/tail": [`GET ${S}/tails`, `POST ${S}/tails`, `DELETE ${S}/tails/{id}`],
};

// Where the SDK's types are not what the API is known to do. Each entry says why, and turns what was read into what holds;
// one that finds nothing to change fails, so that the table never outlives what it is about.
const CORRECTIONS = [
  {
    op: `GET ${S}/deployments`,
    why: "The SDK takes the reply for pages (`result.items`) of `{deployments}`; `{deployments}` is the result itself, as " +
      "wrangler reads it.",
    types: (read) => ({ ...read, reply: read.reply.replace(/^P\.V4PagePaginationResponse<(.*)>$/, "{ result: $1 }") }),
  },
  {
    op: `GET ${S}/versions/{version_id}`,
    why: "The type of `resources.bindings` is an object without properties; it is the list of bindings, as wrangler reads it.",
    schema: (reply) => set(reply, "resources", "bindings", (_, was) => was.type === "object" && { type: "array", items: binding() }),
  },
  {
    op: `GET ${S}/tails`,
    why: "\"List Tails\" is typed as one tail. Without any there can be none, and whether several come as a list nobody tells.",
    schema: (reply) => set(reply, "result", (was) => ({ anyOf: [was, { type: "array", items: was }, { type: "null" }] })),
  },
  {
    op: `POST ${S}/tails`,
    why: "The SDK sends no body; wrangler sends `{filters: […]}`.",
    types: (read) => !read.body && { ...read, body: { type: "{ filters?: Array<unknown> }", may: true } },
  },
  {
    op: "GET /zones",
    why: "The owner of a zone that belongs to a user has `id: null`, which the type does not allow.",
    schema: (reply) => set(reply, "owner", "id", (_, was) => was.type === "string" && { type: ["string", "null"] }),
  },
  {
    op: "GET /accounts/{account_id}/queues",
    why: "The SDK asks for no page; wrangler asks for one after the other.",
    types: (read) => !read.query && { ...read, query: { type: "{ page?: number }" } },
  },
];

const binding = () => ({ type: "object", required: ["name", "type"], properties: { name: { type: "string" }, type: { type: "string" } } });

// --- what the SDK's functions say -----------------------------------------------------------------------------------

/** `scriptName` and `versionID` as the path templates of Cloudflare's documentation write them. */
const snake = (name) => name.replace(/ID$/, "Id").replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Every function of a file that makes a request, by `METHOD /path`. */
function functions(name) {
  const path = join(SDK, "resources", `${name}.ts`);
  const source = ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.ESNext, true);
  const found = new Map();
  for (const resource of source.statements.filter(ts.isClassDeclaration)) {
    for (const method of resource.members.filter(ts.isMethodDeclaration)) {
      const read = request(method, source);
      if (!read) continue;
      if (found.has(read.op)) throw new Error(`${name}: ${read.op} is there twice`);
      found.set(read.op, read);
    }
  }
  return found;
}

/** What a function sends and what comes back, as TypeScript that a file beside the SDK's folder `resources` understands. */
function request(method, source) {
  const call = find(method.body, (node) => ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression) &&
    node.expression.expression.getText(source) === "this._client");
  if (!call) return undefined;
  const verb = call.expression.name.text;
  const list = verb === "getAPIList";
  const [path, second, third] = call.arguments;
  const options = list ? third : second;
  const given = parameters(method, source);
  const sent = { query: undefined, body: undefined, method: list ? "GET" : verb.toUpperCase() };
  const object = options && find(options, ts.isObjectLiteralExpression);
  for (const property of object?.properties ?? []) {
    const key = property.name?.getText(source);
    if (key === "method") sent.method = property.initializer.text.toUpperCase();
    if (key === "query" || key === "body") sent[key] = value(property, given, source);
  }
  return {
    op: `${sent.method} ${template(path, source)}`,
    query: sent.query, body: sent.body, reply: reply(method, call, list && second, source),
    binary: object?.properties.some((property) => property.name?.getText(source) === "__binaryResponse") ?? false,
  };
}

/** The type of the function's parameters, and what it takes out of them by name. */
function parameters(method, source) {
  // A function without anything in its path has its parameters by the name of where they go.
  const parameter = method.parameters.find((parameter) => ["params", "query", "body"].includes(parameter.name.getText(source)));
  const type = parameter && (ts.isUnionTypeNode(parameter.type) ? parameter.type.types[0] : parameter.type);
  const named = new Map();
  let rest = parameter?.name.getText(source);
  const taken = find(method.body, (node) => ts.isObjectBindingPattern(node) && node.parent.initializer?.getText(source) === "params");
  if (taken) rest = undefined;
  for (const element of taken?.elements ?? []) {
    const local = element.name.getText(source);
    if (element.dotDotDotToken) rest = local;
    else named.set(local, element.propertyName ? literal(element.propertyName.getText(source)) : local);
  }
  return { type: type && qualified(type, source), named, rest };
}

/** What `query` or `body` is of the parameters' type: all but some names, some names only, or the one property of a name. */
function value(property, given, source) {
  const initializer = ts.isShorthandPropertyAssignment(property) ? property.name : property.initializer;
  if (!ts.isIdentifier(initializer)) {
    return { type: given.type, only: initializer.properties.map((entry) => given.named.get(entry.name.getText(source))) };
  }
  if (initializer.text === given.rest) return { type: given.type, without: [...given.named.values()] };
  return { type: given.type, property: given.named.get(initializer.text) };
}

function template(path, source) {
  if (ts.isStringLiteral(path)) return path.text;
  const { head, templateSpans } = path.template;
  return head.text + templateSpans.map((span) => `{${snake(span.expression.getText(source))}}${span.literal.text}`).join("");
}

/** The whole document that comes back: a page, a result in its envelope, or the type as it stands where nothing is unwrapped. */
function reply(method, call, page, source) {
  if (page) {
    const [item] = page.typeArguments;
    return `P.${page.expression.getText(source)}Response<${qualified(item, source)}>`;
  }
  const cast = ts.isAsExpression(call.parent) && find(call.parent.type, (node) => ts.isPropertySignature(node) && node.name.text === "result");
  if (cast) return `{ result: ${qualified(cast.type, source)} }`;
  return qualified(method.type.typeArguments[0], source);
}

/** A type as it is written, each name led by the file that it comes from. */
function qualified(type, source) {
  const from = new Map(source.statements.filter(ts.isImportDeclaration).flatMap(({ importClause, moduleSpecifier }) => {
    const bindings = importClause?.namedBindings;
    return bindings && ts.isNamespaceImport(bindings) ? [[bindings.name.text, join(dirname(source.fileName), moduleSpecifier.text)]] : [];
  }));
  const here = source.fileName.replace(/\.ts$/, "");
  return type.getText(source).replace(/\b([A-Z]\w*)((?:\.[A-Z]\w*)*)/g, (whole, first, rest) => {
    if (first === "Array" || first === "Response") return whole;
    const imported = from.get(first);
    return `import("./${relative(SDK, imported ?? here)}").${imported ? rest.slice(1) : whole}`;
  });
}

function find(node, wanted) {
  if (wanted(node)) return node;
  return ts.forEachChild(node, (child) => find(child, wanted));
}

const literal = (text) => text.replace(/^['"]|['"]$/g, "");

// --- its types as JSON schemas --------------------------------------------------------------------------------------

/** The lines with a name for every file that a type is taken from: the generator reads no `import("…")` within a type. */
function withImports(lines) {
  const names = new Map();
  const text = lines.join("\n").replace(/import\(("[^"]*")\)/g, (_, file) => {
    if (!names.has(file)) names.set(file, `N${names.size}`);
    return names.get(file);
  });
  return [...names].map(([file, name]) => `import type * as ${name} from ${file};\n`).join("") + text;
}

/** A file of aliases over the SDK's types, and a generator over it that finds them. */
function generators(aliases, names) {
  const file = join(SDK, "aliases-of-the-specification.ts");
  const host = ts.createCompilerHost({});
  // What every file of the SDK imports only to make requests with: without it the types of ten services are read, not of all.
  const left = new Map([
    [join(SDK, "client.ts"), "export class BaseCloudflare {} export class Cloudflare {}"],
    [file, aliases],
  ]);
  const original = host.getSourceFile.bind(host);
  host.fileExists = ((exists) => (name) => left.has(resolve(name)) || exists(name))(host.fileExists);
  host.readFile = ((read) => (name) => left.get(resolve(name)) ?? read(name))(host.readFile);
  host.getSourceFile = (name, version) => {
    const text = left.get(resolve(name));
    return text === undefined ? original(name, version) : ts.createSourceFile(name, text, version, true);
  };
  const types = ts.createProgram({
    rootNames: [file], host, options: {
      strict: true, noEmit: true, skipLibCheck: true, types: [], target: ts.ScriptTarget.ESNext,
      module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler,
    },
  });
  // A name that does not resolve is `any`, and `any` accepts everything.
  const wrong = types.getSemanticDiagnostics(types.getSourceFile(file));
  if (wrong.length) throw new Error(ts.formatDiagnostics(wrong, { getCanonicalFileName: (name) => name, getCurrentDirectory: () => HERE, getNewLine: () => "\n" }));
  const generator = (closed) => {
    const config = { ...DEFAULT_CONFIG, expose: "all", topRef: false, jsDoc: "none", additionalProperties: !closed, skipTypeCheck: true };
    return new SchemaGenerator(types, createParser(types, config), createFormatter(config), config);
  };
  return { open: generator(false), closed: generator(true) };
}

const components = {};

/** The schema of an alias with its definitions moved to the document's components, under names of its own. */
function schema(generator, alias) {
  const { $schema, definitions = {}, ...top } = generator.createSchema(alias);
  const renamed = (name) => `${alias}.${decodeURIComponent(name).replace(/[^A-Za-z0-9._-]+/g, "-").replace(/-$/, "")}`;
  const moved = (node) => {
    if (Array.isArray(node)) return node.map(moved);
    if (typeof node !== "object" || node === null) return node;
    return Object.fromEntries(Object.entries(node).filter(([key]) => key !== "$comment").map(([key, inner]) =>
      key === "$ref" ? [key, `#/components/schemas/${renamed(inner.replace("#/definitions/", ""))}`] : [key, moved(inner)]));
  };
  for (const name of Object.keys(definitions).sort()) {
    const as = renamed(name);
    if (components[as]) throw new Error(`two definitions are called ${as}`);
    components[as] = moved(definitions[name]);
  }
  return moved(top);
}

/** The part of the parameters' schema that goes into the query or the body: of each member, if the parameters are a union. */
function part(schema, { without = [], only, property }) {
  const whole = dereferenced(schema);
  if (whole.anyOf) return { ...whole, anyOf: whole.anyOf.map((member) => part(member, { without, only, property })) };
  if (property) return whole.properties[property];
  const kept = (name) => (only ? only.includes(name) : !without.includes(name));
  const lost = [...without, ...(only ?? [])].filter((name) => !whole.properties[name]);
  if (lost.length) throw new Error(`the parameters have no ${lost}`);
  return {
    ...whole, properties: Object.fromEntries(Object.entries(whole.properties).filter(([name]) => kept(name))),
    ...(whole.required ? { required: whole.required.filter(kept) } : {}),
  };
}

const dereferenced = (node) => (node.$ref ? dereferenced(components[node.$ref.split("/").pop()]) : node);

/** Replaces the schema of a property within a reply: the property of that name that is below the one named before it. */
function set(node, ...wanted) {
  const change = wanted.pop();
  const name = wanted.pop();
  let changed = 0;
  const walk = (at, path) => {
    const schema = dereferenced(at);
    for (const [key, inner] of Object.entries(schema.properties ?? {})) {
      if (key === name && (!wanted.length || path.at(-1) === wanted[0])) {
        const made = change(inner, dereferenced(inner));
        if (made) schema.properties[key] = made;
        changed += made ? 1 : 0;
      } else walk(inner, [...path, key]);
    }
    if (schema.items) walk(schema.items, path);
    for (const inner of [...(schema.anyOf ?? []), ...(schema.allOf ?? [])]) walk(inner, path);
  };
  walk(node, []);
  return changed > 0;
}

// --- the document ---------------------------------------------------------------------------------------------------

/** Parameters of the query, one for each property; those of an object by `outer.inner`, as the SDK spells them. */
function queryParameters(node) {
  const { properties = {}, required = [] } = dereferenced(node);
  return Object.entries(properties).flatMap(([name, inner]) => {
    const plain = dereferenced(inner);
    if (plain.properties) return queryParameters(plain).map((parameter) => ({ ...parameter, name: `${name}.${parameter.name}` }));
    return [{ name, in: "query", required: required.includes(name), schema: inner, ...(plain.type === "array" ? { style: "form", explode: true } : {}) }];
  });
}

function read() {
  const operations = [];
  for (const [file, ops] of Object.entries(OPERATIONS)) {
    const known = functions(file);
    for (const op of ops) {
      if (!known.has(op)) throw new Error(`${file}.ts has no ${op}; it has\n${[...known.keys()].join("\n")}`);
      operations.push(known.get(op));
    }
  }
  for (const { op, why, types } of CORRECTIONS) {
    const at = operations.findIndex((operation) => operation.op === op);
    if (!types) continue;
    const changed = types(operations[at]);
    if (!changed || JSON.stringify(changed) === JSON.stringify(operations[at])) throw new Error(`nothing to correct in ${op}: ${why}`);
    operations[at] = changed;
  }
  return operations;
}

function document() {
  const operations = read();
  const lines = [
    'import type * as P from "./core/pagination";',
    'import type { ResponseInfo } from "./resources/shared";',
    "export type Success = { success: true; errors: Array<ResponseInfo>; messages: Array<ResponseInfo> };",
    "export type Failure = { success: false; errors: Array<ResponseInfo>; messages: Array<ResponseInfo>; result?: null };",
  ];
  operations.forEach(({ query, body, reply, binary }, number) => {
    for (const [kind, type] of [["Query", query?.type], ["Body", body?.type], ["Reply", binary ? undefined : reply]]) {
      if (type) lines.push(`export type ${kind}${number} = ${type};`);
    }
  });
  const { open, closed } = generators(withImports(lines));
  const success = schema(open, "Success");
  const failure = schema(open, "Failure");
  const paths = {};
  operations.forEach(({ op, query, body, binary }, number) => {
    const [method, path] = op.split(" ");
    const parameters = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({ name, in: "path", required: true, schema: { type: "string", minLength: 1 } }));
    if (query) parameters.push(...queryParameters(part(schema(closed, `Query${number}`), query)));
    const answer = binary ? undefined : schema(open, `Reply${number}`);
    for (const { op: about, why, schema: change } of CORRECTIONS) {
      if (about === op && change && !change(answer)) throw new Error(`nothing to correct in ${op}: ${why}`);
    }
    const content = binary
      ? { "multipart/form-data": {}, "application/javascript": {} }
      : { "application/json": { schema: { allOf: [success, answer] } } };
    (paths[path] ??= {})[method.toLowerCase()] = {
      operationId: op.replace(/[^A-Za-z0-9]+/g, "-").replace(/-$/, ""),
      parameters,
      ...(body ? { requestBody: { required: !body.may, content: { "application/json": { schema: part(schema(closed, `Body${number}`), body) } } } } : {}),
      responses: {
        200: { description: "success", content },
        default: { description: "refusal", content: { "application/json": { schema: failure } } },
      },
    };
  });
  const { version } = JSON.parse(readFileSync(join(HERE, "node_modules/cloudflare/package.json"), "utf8"));
  return {
    openapi: "3.1.0",
    info: { title: "Cloudflare, as its SDK for TypeScript has it", version },
    security: [{ token: [] }, { key: [], email: [] }],
    paths,
    components: {
      securitySchemes: {
        token: { type: "http", scheme: "bearer" },
        key: { type: "apiKey", in: "header", name: "X-Auth-Key" },
        email: { type: "apiKey", in: "header", name: "X-Auth-Email" },
      },
      schemas: components,
    },
  };
}

const into = resolve(process.argv[2] ?? join(HERE, "../../../target/specifications/cloudflare.json"));
mkdirSync(dirname(into), { recursive: true });
writeFileSync(into, JSON.stringify(document(), null, 1) + "\n");
