// Why a call ended, said to whoever was in it.

const ENDINGS = {
  caller_hung_up: "You hung up.",
  agent_hung_up: "The agent hung up.",
  agent_lost: "The agent was lost.",
  shut_down: "Callroom was shut down.",
  no_agent: "No agent was free.",
  no_room: "The call could not be set up.",
  nobody_joined: "The call was not joined.",
  connection_lost: "The connection was lost.",
  ended_by_api: "The call was ended.",
  room_deleted: "The call was ended.",
  max_duration: "The call reached its longest duration.",
  silence: "Nobody said anything any more.",
  credits_used_up: "The credits are used up.",
  provider_failed: "A speech or language service failed.",
};

export function endingOf(reason) {
  return ENDINGS[reason] ?? "The call is over.";
}
