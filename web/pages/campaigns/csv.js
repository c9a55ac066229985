// Tables as spreadsheets write them: what parts the cells, quotes, and how the characters are encoded.

const SEPARATORS = [",", ";", "\t"];

/** The text of a file: UTF-8, UTF-16 with its mark, or what older spreadsheets write. */
export function decoded(bytes) {
  const [first, second] = new Uint8Array(bytes.slice(0, 2));
  if (first === 0xff && second === 0xfe) return new TextDecoder("utf-16le").decode(bytes);
  if (first === 0xfe && second === 0xff) return new TextDecoder("utf-16be").decode(bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}

/**
 * The rows of a text, `{ rows: [{ line, cells: [text, …] }], fault }` with the line that each begins in, counted from 1;
 * empty rows are left out. What parts the cells is found out from the first row, unless it says so itself (`sep=;`).
 * With a `fault`, a text, there are no rows.
 */
export function parse(text) {
  const plain = text.replace(/^\uFEFF/, "");
  const said = /^sep=(.)\s*?[\r\n]/i.exec(plain);
  const { rows, open } = rowsOf(plain, said ? said[1] : separatorOf(plain));
  if (open) return { rows: [], fault: `A quote that begins in line ${open} does not end.` };
  return { rows: rows.slice(said ? 1 : 0).filter(({ cells }) => cells.some((cell) => cell !== "")), fault: null };
}

function separatorOf(text) {
  const counts = SEPARATORS.map((separator) => rowsOf(text, separator, 1).rows[0]?.cells.length ?? 0);
  return SEPARATORS[counts.indexOf(Math.max(...counts))];
}

/** The first rows, and the line of a quote that is not closed at the end, if there is one. */
function rowsOf(text, separator, most = Infinity) {
  const rows = [];
  let [cells, cell, isQuoted, line, began, open] = [[], "", false, 1, 1, null];
  const endRow = () => {
    rows.push({ line: began, cells: [...cells, cell].map((one) => one.trim()) });
    [cells, cell, began] = [[], "", line];
  };
  for (let at = 0; at < text.length; at += 1) {
    const letter = text[at];
    if (letter === "\n" || (letter === "\r" && text[at + 1] !== "\n")) line += 1;
    if (isQuoted) {
      if (letter !== '"') cell += letter;
      else if (text[at + 1] === '"') cell += text[(at += 1)];
      else isQuoted = false;
    } else if (letter === '"' && cell.trim() === "") {
      [cell, isQuoted, open] = ["", true, line];
    } else if (letter === separator) {
      cells.push(cell);
      cell = "";
    } else if (letter === "\n" || letter === "\r") {
      if (letter === "\r" && text[at + 1] === "\n") continue;
      endRow();
      if (rows.length === most) return { rows, open: null };
    } else {
      cell += letter;
    }
  }
  if (cell !== "" || cells.length > 0) endRow();
  return { rows, open: isQuoted ? open : null };
}
