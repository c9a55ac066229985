// Where the people come from: a file, or what was copied from a spreadsheet.

import { html } from "../../preact.js";
import { Field, LongField } from "../../parts/field.js";
import { decoded } from "./csv.js";

/**
 * @param fault what is wrong with the text, if something is.
 * @param isEmptyFile whether a file was chosen that has no row.
 * @param onTable called with the text, and the name of the file without its ending if it came from one.
 */
export function Source({ text, fault, isEmptyFile, onTable }) {
  const choose = async (chosen) => {
    const [file] = chosen.target.files;
    if (file) onTable(decoded(await file.arrayBuffer()), file.name.replace(/\.\w+$/, ""));
  };
  return html`
    <div class="fields">
      <${Field} label="CSV file" help="With a header or without; parted by commas, semicolons or tabs." fault=${isEmptyFile && "There is no row in this file."}
        control=${(tied) => html`<input type="file" accept=".csv,.tsv,.txt,text/csv" ...${tied} onChange=${choose} />`} />
      <${LongField} label="Or paste the rows" placeholder="phone,first_name" spellcheck=${false} fault=${fault} value=${text} onValue=${(typed) => onTable(typed, null)} />
    </div>
  `;
}
