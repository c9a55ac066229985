// What the agent may ask of other people's servers while it talks.

import { html, useContext, useEffect, useState } from "../../preact.js";
import { LongField } from "../../parts/field.js";
import { isSame } from "./draft.js";
import { AgentForm, Amount, Choice, Json, Long, Many, Section, Text, useAt, useBroken } from "./form.js";

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"].map((method) => [method, method]);
const FRESH = { name: "", url: "", headers: {}, timeout_s: 10, meanwhile: null };
const NOTHING = { type: "object", properties: {} };

export function Tools() {
  return html`
    <${Section} title="Tools" about="functions that its model may call" paths=${["tools", "mcp_servers"]}>
      <h3>HTTP</h3>
      <${Many} path="tools" one="an HTTP tool" fresh=${{ ...FRESH, description: "", method: "POST", parameters: NOTHING }} show=${(path) => html`<${HttpTool} path=${path} />`} />
      <h3>MCP</h3>
      <${Many} path="mcp_servers" one="an MCP server" fresh=${FRESH} show=${(path) => html`<${McpServer} path=${path} />`} />
    <//>
  `;
}

function HttpTool({ path }) {
  return html`
    <div class="fields">
      <${Text} path="${path}.name" label="Name" required />
      <${Choice} path="${path}.method" label="Method" options=${METHODS} />
    </div>
    <${Long} path="${path}.description" label="Description" rows="2" help="What it does and when to use it, for the model." />
    <${Asked} path=${path} />
    <${Json} path="${path}.parameters" empty=${NOTHING} label="Parameters" rows="6" help="JSON Schema of the arguments. {{arguments.NAME}} puts one into the URL." />
  `;
}

function McpServer({ path }) {
  return html`
    <${Text} path="${path}.name" label="Name" required help="Stands before the names of its tools: shop makes look_up to shop_look_up." />
    <${Asked} path=${path} />
  `;
}

function Asked({ path }) {
  return html`
    <${Text} path="${path}.url" label="URL" required type="text" inputmode="url" />
    <${Headers} key=${useContext(AgentForm).round} path="${path}.headers" />
    <div class="fields">
      <${Amount} path="${path}.timeout_s" label="Seconds to wait" min="1" max="120" step="1" />
      <${Text} path="${path}.meanwhile" empty=${null} label="Said meanwhile" help="When the answer takes longer than a second. Empty: its own phrase." />
    </div>
  `;
}

/** One header a line: most have none, or one. */
function Headers({ path }) {
  const { value, set, fault } = useAt(path);
  const [text, setText] = useState(() => written(value));
  const { headers, wrong } = read(text);
  useEffect(() => {
    if (!wrong && !isSame(headers, value ?? {})) setText(written(value)); // it was changed elsewhere
  }, [value]);
  useBroken(Boolean(wrong));
  const broken = wrong && `Expected “Name: value” in each line: “${wrong}” is none.`;
  const type = (typed) => {
    setText(typed);
    const now = read(typed);
    if (!now.wrong) set(now.headers);
  };
  return html`<${LongField} label="Headers" rows="2" class="code" placeholder="Authorization: Bearer {{secrets.SHOP_KEY}}" value=${text} onValue=${type} fault=${broken || fault} data-broken=${broken ? "true" : null}
    help="One a line. {{secrets.NAME}} is a tool secret, which is never shown; variables of the call are filled in too." />`;
}

function written(headers) {
  return Object.entries(headers ?? {}).map(([name, said]) => `${name}: ${said}`).join("\n");
}

/** The headers that a text is, and its first line that is none. */
function read(text) {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const pairs = lines.map((line) => [line.slice(0, line.indexOf(":")).trim(), line.slice(line.indexOf(":") + 1).trim()]);
  return { headers: Object.fromEntries(pairs), wrong: lines.find((line) => !/^[^:\s]+\s*:/.test(line)) };
}
