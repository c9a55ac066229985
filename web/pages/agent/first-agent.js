// The agent that the page offers where there is none yet.

export const FIRST_AGENT = {
  name: "Blue Door restaurant",
  system_prompt:
    "You are on the phone for the restaurant Blue Door. You take the name, the number of people and the time of a " +
    "booking. Answer in one short sentence.",
  first_message: "Hello, this is the restaurant Blue Door. How can I help you?",
  post_call: {
    recording: { enabled: true },
    summary: { enabled: true },
    structured_extraction: {
      json_schema: {
        type: "object",
        properties: {
          caller_name: { type: "string", description: "The name that the caller gives" },
          people: { type: "integer", description: "For how many people the table is" },
          time: { type: "string", description: "The day and time of the booking" },
        },
      },
    },
    evaluation: { rubric: "Did the agent greet the caller and answer what the caller asked for?" },
  },
};
