// What whoever calls is told of what went wrong. The API's own words are for the page's author, and go to the console.

const NOT_NOW = "This page cannot call just now.";
const LATER = "The server does not work as it should. Try again in a moment.";
const ITS_OWN = new Set([0, 429]); // statuses whose messages say what whoever calls can do

/**
 * The sentence for an error.
 *
 * @param texts what the page itself says to a refusal, by its code.
 */
export function told(error, texts = {}) {
  if (error.constructor === Error) return error.message; // written by us, for whoever calls
  console.error(error.message);
  const { code, status, message } = error;
  if (texts[code]) return texts[code];
  if (ITS_OWN.has(status)) return message;
  return status >= 500 ? LATER : NOT_NOW;
}
