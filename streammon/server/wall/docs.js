// Shows /openapi.json as a page.

import { byId, h } from "./dom.js";

/** Prose in which names stand between backticks. */
const prose = (text) => text.split("`").map((part, place) => (place % 2 === 1 ? h("code", {}, part) : part));

const schemaName = (schema) => {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if (schema.anyOf) return schema.anyOf.map(schemaName).join(" or ");
  if (schema.type === "array") return `list of ${schemaName(schema.items)}`;
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  return [schema.type ?? "any", schema.format].filter(Boolean).join(", ");
};

const limits = (schema) =>
  ["minimum", "exclusiveMinimum", "maximum", "minLength", "maxLength", "pattern", "default"]
    .filter((name) => schema?.[name] !== undefined)
    .map((name) => `${name} ${schema[name]}`)
    .join(", ");

function table(rows) {
  return h("table", {}, h("tbody", {}, ...rows.map((cells) => h("tr", {}, ...cells.map((cell) => h("td", {}, ...[cell].flat()))))));
}

/** The named shapes that a schema is made of, and those that they are made of. */
function shapesOf(schema, schemas, found = new Set()) {
  if (!schema || typeof schema !== "object") return found;
  const name = schema.$ref?.split("/").at(-1);
  if (found.has(name)) return found;
  if (name) found.add(name);
  for (const part of Object.values(name ? schemas[name] : schema)) shapesOf(part, schemas, found);
  return found;
}

function fieldsOf(name, schemas) {
  const { properties = {}, required = [] } = schemas[name] ?? {};
  return Object.entries(properties).map(([field, schema]) => [
    h("code", {}, field),
    [schemaName(schema), limits(schema), required.includes(field) ? "" : "may be left out"].filter(Boolean).join(", "),
    prose(schema.description ?? ""),
  ]);
}

/** Tables of every shape in these contents, of a body or of answers, without those that were shown. */
function shapes(contents, schemas, shown) {
  const parts = [];
  for (const { schema } of contents.flatMap((content) => Object.values(content))) {
    for (const name of shapesOf(schema, schemas)) {
      const fields = shown.has(name) ? [] : fieldsOf(name, schemas);
      shown.add(name);
      if (fields.length > 0) parts.push(h("h3", {}, name), table(fields));
    }
  }
  return parts;
}

const kindsOf = (content) =>
  Object.entries(content).map(([type, { schema }]) => [type, schemaName(schema)].filter(Boolean).join(": ")).join(", ");

function operation(verb, path, spec, schemas) {
  const id = `${verb}${path}`.replace(/[^a-z0-9]+/gi, "-");
  const part = h("section", { class: "path", id }, h("h2", {}, h("span", { class: "verb" }, verb.toUpperCase()), " ", h("code", {}, path)));
  for (const text of (spec.description ?? spec.summary ?? "").split(/\n\n+/)) part.append(h("p", {}, ...prose(text)));
  if (spec.parameters?.length) {
    part.append(h("h3", {}, "Parameters"));
    part.append(table(spec.parameters.map(({ name, in: place, required, schema, description }) => [
      h("code", {}, name),
      [place, required ? "required" : "", schemaName(schema), limits(schema)].filter(Boolean).join(", "),
      prose(description ?? ""),
    ])));
  }
  const shown = new Set();
  const body = spec.requestBody?.content;
  if (body) part.append(h("h3", {}, "Body"), h("p", {}, ...prose([spec.requestBody.description, kindsOf(body)].filter(Boolean).join(" "))), ...shapes([body], schemas, shown));
  const answers = Object.entries(spec.responses);
  part.append(h("h3", {}, "Answers"));
  part.append(table(answers.map(([status, { description, content = {} }]) => [h("code", {}, status), prose(description), kindsOf(content)])));
  part.append(...shapes(answers.filter(([status]) => status < 300).map(([, { content = {} }]) => content), schemas, shown));
  byId("index").append(h("li", {}, h("a", { href: `#${id}` }, verb === "get" ? path : `${verb.toUpperCase()} ${path}`)));
  return part;
}

const description = await (await fetch("/openapi.json")).json();
byId("about").append(...prose(description.info.description));
for (const [path, verbs] of Object.entries(description.paths)) {
  for (const [verb, spec] of Object.entries(verbs)) {
    byId("paths").append(operation(verb, path, spec, description.components?.schemas ?? {}));
  }
}
byId("index").append(h("li", {}, h("a", { href: "#websocket" }, "/ws")));
