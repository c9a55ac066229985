// A JSON Schema as a list of fields, or, where it says more than such a list can, as it is.

import { html, useEffect, useState } from "../../preact.js";
import { ChoiceField, SwitchField, TextField } from "../../parts/field.js";
import { isSame } from "./draft.js";
import { Json, useAt, useBroken } from "./form.js";

const TYPES = [
  ["string", "Text"],
  ["number", "Number"],
  ["integer", "Whole number"],
  ["boolean", "Yes or no"],
];
const OF_SCHEMA = new Set(["type", "properties", "required"]);
const OF_FIELD = new Set(["type", "description"]);

export function SchemaEditor({ path }) {
  const { value, set, fault } = useAt(path);
  // Whoever began with JSON goes on with it, also where it has become simple.
  const [isRaw, setRaw] = useState(() => rowsOf(value) === null);
  const [isBroken, setBroken] = useState(false);
  // Kept beside the schema, which has each name once: a name may be that of another field while it is typed.
  const [rows, setRows] = useState(() => rowsOf(value));
  useEffect(() => {
    if (rows !== null && isSame(schemaOf(rows), value)) return;
    const changed = rowsOf(value); // elsewhere
    setRows(changed);
    if (changed === null) setRaw(true);
  }, [value]);
  useBroken(!isRaw && rows !== null && rows.some((_, i) => faultOf(rows, i)));
  if (isRaw || rows === null) {
    return html`
      <div>
        <${Json} path=${path} empty=${{ type: "object", properties: {} }} label="JSON Schema" rows="12" onBroken=${setBroken} />
        ${rows !== null && !isBroken && html`<p><button type="button" onClick=${() => setRaw(false)}>Edit as fields</button></p>`}
      </div>
    `;
  }
  const change = (changed) => {
    setRows(changed);
    set(schemaOf(changed));
  };
  const edit = (i, row) => change(rows.with(i, { ...rows[i], ...row }));
  return html`
    <div class="schema">
      ${rows.map(
        (row, i) => html`
          <fieldset key=${i}>
            <legend>Field ${i + 1}</legend>
            <div class="fields">
              <${TextField} label="Name" required value=${row.name} onValue=${(name) => edit(i, { name })}
                fault=${faultOf(rows, i)} data-broken=${faultOf(rows, i) ? "true" : null} />
              <${ChoiceField} label="Type" options=${TYPES} value=${row.type} onValue=${(type) => edit(i, { type })} />
            </div>
            <${TextField} label="Description" value=${row.description} onValue=${(description) => edit(i, { description })} />
            <${SwitchField} label="Always there" value=${row.isRequired} onValue=${(isRequired) => edit(i, { isRequired })} />
            <p class="buttons inner"><button type="button" onClick=${() => change(rows.toSpliced(i, 1))}>Remove field ${i + 1}</button></p>
          </fieldset>
        `,
      )}
      ${fault && html`<p class="fault">${fault}</p>`}
      <p class="actions">
        <button type="button" onClick=${() => change([...rows, { name: freshName(rows), type: "string", description: "", isRequired: false }])}>Add a field</button>
        <button type="button" onClick=${() => setRaw(true)}>Edit as JSON Schema</button>
      </p>
    </div>
  `;
}

/** What is wrong with the name of a field. */
function faultOf(rows, i) {
  const { name } = rows[i];
  if (name.trim() === "") return "It needs a name.";
  return rows.some((other, j) => j !== i && other.name === name) ? "Two fields have this name." : "";
}

function freshName(rows) {
  const names = new Set(rows.map(({ name }) => name));
  let number = rows.length + 1;
  while (names.has(`field_${number}`)) number += 1;
  return `field_${number}`;
}

/** The schema's fields, or null if it says more than they can. */
function rowsOf(schema) {
  const { type, properties = {}, required = [] } = schema ?? {};
  if (type !== "object" || Object.keys(schema).some((name) => !OF_SCHEMA.has(name))) return null;
  const rows = Object.entries(properties).map(([name, field]) => ({
    name,
    type: field?.type,
    description: field?.description ?? "",
    isRequired: required.includes(name),
    isSimple: typeof field === "object" && Object.keys(field).every((one) => OF_FIELD.has(one)) && TYPES.some(([known]) => known === field.type),
  }));
  return rows.every(({ isSimple }) => isSimple) && required.every((name) => Object.hasOwn(properties, name)) ? rows : null;
}

function schemaOf(rows) {
  const fields = rows.map(({ name, type, description }) => [name, description ? { type, description } : { type }]);
  const required = rows.filter(({ isRequired }) => isRequired).map(({ name }) => name);
  return { type: "object", properties: Object.fromEntries(fields), ...(required.length > 0 ? { required } : {}) };
}
