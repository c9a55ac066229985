// Where a call is, said to whoever calls: until it is over.

export const STATES = {
  connecting: "Connecting …",
  joined: "Waiting for the agent …",
  initializing: "Getting ready …",
  listening: "Listening",
  thinking: "Thinking …",
  speaking: "Speaking",
  away: "The agent is away, please wait …",
  reconnecting: "The line is down, reconnecting …",
};
