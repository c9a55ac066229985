// What the columns of a table are for, and whom its rows name.

export const PHONE = "phone";
export const VARIABLE = "variables";
export const METADATA = "metadata";
export const NOTHING = "";

const HEADS = /phone|tel|mobil|number|nummer|handy|cell/i;

/** Whether a text could be a phone number with its country code; the API has the last word. */
export function looksLikePhone(text) {
  const digits = text.replace(/[\s().\/-]/g, "");
  return /^(\+|00)[1-9]\d{6,14}$/.test(digits);
}

/** Whether the first row names the columns: nothing in it has several digits, as also a wrong phone number would. */
export function hasHead(rows) {
  return rows.length > 1 && !rows[0].cells.some((cell) => /(\d\D*){3}/.test(cell));
}

/** What each column is probably for, `[{ use, name, sample }]`. */
export function guess(rows, isHead) {
  const body = isHead ? rows.slice(1) : rows;
  const width = Math.max(0, ...rows.map(({ cells }) => cells.length));
  const share = (column) => body.filter(({ cells }) => looksLikePhone(cells[column] ?? "")).length;
  const named = (column) => isHead && HEADS.test(rows[0].cells[column] ?? "");
  const order = [...Array(width).keys()].sort((one, other) => share(other) - share(one) || named(other) - named(one));
  return [...Array(width).keys()].map((column) => ({
    use: column === order[0] ? PHONE : VARIABLE,
    name: (isHead && rows[0].cells[column]) || `column_${column + 1}`,
    sample: body[0]?.cells[column] ?? "",
  }));
}

/** The places of the columns that have the name of an earlier one of the same use, of which only one could be sent. */
export function twice(columns) {
  const isNamed = ({ use }) => use === VARIABLE || use === METADATA;
  const isSame = (one, other) => one.use === other.use && one.name === other.name;
  return new Set([...columns.keys()].filter((at) => isNamed(columns[at]) && columns.slice(0, at).some((earlier) => isSame(earlier, columns[at]))));
}

/** Who is called, `{ recipients: [{ line, to, … }], refused: [{ line, number, why }] }`, as far as can be said here. */
export function recipientsOf(rows, columns) {
  const phone = columns.findIndex(({ use }) => use === PHONE);
  const recipients = [];
  const refused = [];
  const lines = new Map();
  for (const { line, cells } of rows) {
    const number = cells[phone] ?? "";
    const plain = number.replace(/[\s().\/-]/g, "").replace(/^00/, "+");
    const why = faultOf(number, lines.get(plain));
    if (why) {
      refused.push({ line, number, why });
      continue;
    }
    lines.set(plain, line);
    const recipient = { to: number };
    for (const use of [VARIABLE, METADATA]) {
      const given = columns.map((column, at) => [column, cells[at] ?? ""]).filter(([column, cell]) => column.use === use && cell !== "");
      if (given.length > 0) recipient[use] = Object.fromEntries(given.map(([{ name }, cell]) => [name, cell]));
    }
    recipients.push({ line, recipient });
  }
  return { recipients, refused };
}

function faultOf(number, earlier) {
  if (number === "") return "no phone number";
  if (!/^\s*(\+|00)/.test(number)) return "no country code, as in +15551234567";
  if (!looksLikePhone(number)) return "not a phone number";
  return earlier ? `the same number as in line ${earlier}` : null;
}
