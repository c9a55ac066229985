// Sending a campaign: as many batches as the API needs, each at most once.

import { post } from "../../api.js";

export const MOST = 500; // recipients of one batch

/** A campaign of which nobody was sent yet. */
export const UNSENT = { count: 0, ids: [], queued: 0, rejected: [], warnings: [] };

/** The ids of a campaign's batches. */
export function batchIds(name, recipients) {
  const parts = Math.ceil(recipients.length / MOST);
  return [...Array(parts).keys()].map((i) => (parts === 1 ? name : `${name} (${i + 1} of ${parts})`));
}

/**
 * Place the calls of those recipients who were not sent before. A batch's id makes it one: the same batch again, after a
 * lost answer or a second press, is answered as the first time and calls nobody twice.
 *
 * @param before what was sent of the same recipients: `UNSENT`, or what `onBatch` was last called with.
 * @param onBatch called after each batch with what is sent then.
 * @returns `{ count, ids, queued, rejected: [{ line, number, why }], warnings }`, `count` the recipients who are sent.
 */
export async function send({ name, agentId, recipients, from }, before, onBatch) {
  const ids = batchIds(name, recipients);
  let sent = before;
  while (sent.count < recipients.length) {
    const id = ids[sent.count / MOST];
    const part = recipients.slice(sent.count, sent.count + MOST);
    const body = { agent_id: agentId, batch_id: id, recipients: part.map(({ recipient }) => recipient), ...(from ? { from_number: from } : {}) };
    const answer = await post("/v1/calls/batch", body);
    const lines = new Map(part.map(({ line, recipient }) => [digits(recipient.to), line]));
    const rejected = answer.rejected.map(({ identity, error }) => ({ line: lines.get(digits(identity)), number: identity, why: error }));
    sent = {
      count: sent.count + part.length,
      ids: [...sent.ids, id],
      queued: sent.queued + answer.queued,
      rejected: [...sent.rejected, ...rejected],
      warnings: [...new Set([...sent.warnings, ...answer.warnings])],
    };
    onBatch(sent);
  }
  return sent;
}

function digits(number) {
  return number.replace(/\D/g, "").replace(/^00/, "");
}
