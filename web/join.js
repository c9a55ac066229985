// The page of a `join_url`: its code, the last part of its address, is exchanged for the way into a call, once.

import { Panel } from "./caller/panel.js";
import { post } from "./caller/requests.js";

const SERVER = new URL("../", import.meta.url);
const REFUSED = {
  code_used: "This link was used before. It lets somebody in once: ask whoever sent it for another one.",
  call_over: "This call is over. Ask whoever sent you the link for another one.",
  not_found: "This link leads nowhere. Was it copied to its end? If so, ask whoever sent it for another one.",
};

async function findWay() {
  const code = location.pathname.split("/").pop();
  const joined = await post(SERVER, "v1/join", { code });
  const { call_id: id, call_token: token, access, participant_id: participantId, agent } = joined;
  return { id, token, access, participantId, agentName: agent.name, isOwn: false };
}

new Panel(document.getElementById("call"), SERVER, { start: "Join the call", refused: REFUSED }, findWay);
