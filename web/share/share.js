// The public page of a share link: the last part of its address lets anybody call its agent, within the link's limits.

import { Panel } from "../caller/panel.js";
import { get, post } from "../caller/requests.js";
import { told } from "../caller/told.js";

const SERVER = new URL("../../", import.meta.url);
const SHARED = `v1/shared/${location.pathname.split("/").pop()}`;
const REFUSED = {
  not_found: "This link leads nowhere, or no more.",
  minutes_used_up: "The minutes of this link are used up.",
  insufficient_credits: "This agent cannot take calls now.",
};

async function findWay() {
  const shared = await post(SERVER, `${SHARED}/calls`, {});
  const { call_id: id, call_token: token, access, participant_id: participantId, agent, max_call_seconds: seconds } = shared;
  tell(`This call may last ${lasting(seconds)}.`);
  return { id, token, access, participantId, agentName: agent.name, isOwn: true };
}

function lasting(seconds) {
  const minutes = Math.round(seconds / 60);
  return seconds < 90 ? `${seconds} seconds` : `about ${minutes} ${minutes === 1 ? "minute" : "minutes"}`;
}

function tell(text) {
  document.getElementById("about").textContent = text;
}

try {
  const { agent_name: name, max_call_seconds: seconds } = await get(SERVER, SHARED);
  document.title = document.getElementById("title").textContent = `Talk to ${name}`;
  tell(`Your browser asks for the microphone; then just speak, for up to ${lasting(seconds)}. What is said may be kept by whoever sent you this link.`);
  new Panel(document.getElementById("call"), SERVER, { start: "Start talking", again: "Talk again", refused: REFUSED }, findWay);
} catch (error) {
  tell(told(error, REFUSED));
  document.getElementById("call").hidden = true;
}
