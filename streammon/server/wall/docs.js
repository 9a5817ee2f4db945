// Shows /openapi.json as a page.

import { byId, h } from "./dom.js";

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
  return h("table", {}, h("tbody", {}, ...rows.map((cells) => h("tr", {}, ...cells.map((cell) => h("td", {}, cell))))));
}

function fieldsOf(name, schemas) {
  const { properties = {} } = schemas[name] ?? {};
  return Object.entries(properties).map(([field, schema]) => [h("code", {}, field), schemaName(schema), schema.description ?? ""]);
}

function operation(verb, path, spec, schemas) {
  const id = `${verb}${path}`.replace(/[^a-z0-9]+/gi, "-");
  const part = h("section", { class: "path", id }, h("h2", {}, h("span", { class: "verb" }, verb.toUpperCase()), " ", h("code", {}, path)));
  for (const text of (spec.description ?? spec.summary ?? "").split(/\n\n+/)) part.append(h("p", {}, text));
  if (spec.parameters?.length) {
    part.append(h("h3", {}, "Parameters"));
    part.append(table(spec.parameters.map(({ name, in: place, required, schema, description }) => [
      h("code", {}, name),
      [place, required ? "required" : "", schemaName(schema), limits(schema)].filter(Boolean).join(", "),
      description ?? "",
    ])));
  }
  part.append(h("h3", {}, "Answers"));
  part.append(table(Object.entries(spec.responses).map(([status, { description, content = {} }]) => {
    const shapes = Object.entries(content).map(([type, { schema }]) => [type, schemaName(schema)].filter(Boolean).join(": "));
    return [h("code", {}, status), description, shapes.join(", ")];
  })));
  const shape = schemaName(spec.responses["200"]?.content?.["application/json"]?.schema);
  const fields = fieldsOf(shape, schemas);
  if (fields.length > 0) part.append(h("h3", {}, shape), table(fields));
  byId("index").append(h("li", {}, h("a", { href: `#${id}` }, path)));
  return part;
}

const description = await (await fetch("/openapi.json")).json();
byId("about").textContent = description.info.description;
for (const [path, verbs] of Object.entries(description.paths)) {
  for (const [verb, spec] of Object.entries(verbs)) {
    byId("paths").append(operation(verb, path, spec, description.components?.schemas ?? {}));
  }
}
byId("index").append(h("li", {}, h("a", { href: "#websocket" }, "/ws")));
