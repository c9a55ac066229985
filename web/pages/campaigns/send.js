// Sending a campaign: as many batches as the API needs, each at most once.

import { post } from "../../api.js";

export const MOST = 500; // recipients of one batch

/** The ids of a campaign's batches. */
export function batchIds(name, recipients) {
  const parts = Math.ceil(recipients.length / MOST);
  return [...Array(parts).keys()].map((i) => (parts === 1 ? name : `${name} (${i + 1} of ${parts})`));
}

/**
 * Place the calls. A batch's id makes it one: the same batch again, after a lost answer or a second press, is answered
 * as the first time and calls nobody twice.
 *
 * @param onBatch called after each batch with how many recipients are sent.
 * @returns `{ ids, queued, rejected: [{ line, number, why }], warnings }`.
 */
export async function send({ name, agentId, recipients, from }, onBatch) {
  const ids = batchIds(name, recipients);
  const sent = { ids, queued: 0, rejected: [], warnings: [] };
  for (const [i, id] of ids.entries()) {
    const part = recipients.slice(i * MOST, (i + 1) * MOST);
    const body = { agent_id: agentId, batch_id: id, recipients: part.map(({ recipient }) => recipient), ...(from ? { from_number: from } : {}) };
    const answer = await post("/v1/calls/batch", body, { headers: { "Idempotency-Key": encodeURIComponent(id).slice(0, 255) } });
    const lines = new Map(part.map(({ line, recipient }) => [digits(recipient.to), line]));
    sent.queued += answer.queued;
    sent.rejected.push(...answer.rejected.map(({ identity, error }) => ({ line: lines.get(digits(identity)), number: identity, why: error })));
    sent.warnings = answer.warnings;
    onBatch(Math.min((i + 1) * MOST, recipients.length));
  }
  return sent;
}

function digits(number) {
  return number.replace(/\D/g, "").replace(/^00/, "");
}
