// Saving an agent that somebody else may have changed since it was read: what they changed stays.

import { ApiError, get, put } from "../../api.js";
import { changesOf, draftOf, rebased } from "./draft.js";

const CHANGED = 412;
const ALSO = "somebody else has changed it meanwhile, as it stands under Changes. Save again to have it as it is here.";

/**
 * Save what is not in `draft` as in `agent`, and nothing else.
 *
 * @returns `{ saved, theirs, refused }`: the agent as it is then; the paths of what others changed since `agent` was read;
 *     and the error if nothing was saved, because a field that was changed here is among them.
 */
export async function save(agent, draft, earlier = []) {
  const headers = { "If-Match": `"${agent.updated_at}"` };
  try {
    const saved = await put(`/v1/agents/${agent.id}`, changesOf(draftOf(agent), draft), { headers });
    return { saved, theirs: earlier, refused: null };
  } catch (error) {
    if (error.status !== CHANGED) throw error;
  }
  const now = await get(`/v1/agents/${agent.id}`);
  const { draft: ours, theirs: paths, both } = rebased(draft, draftOf(agent), draftOf(now));
  const theirs = [...new Set([...earlier, ...paths])].filter((path) => !both.includes(path));
  if (both.length === 0) return save(now, ours, theirs);
  const details = both.map((path) => ({ path, message: ALSO }));
  return { saved: now, theirs, refused: new ApiError(CHANGED, "", { details }) };
}
