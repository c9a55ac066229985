// What an endpoint may be told of.

export const WEBHOOK_EVENTS = [
  ["call.started", "a call has begun"],
  ["call.completed", "a call is over"],
  ["call.failed", "a call failed, or nobody came"],
  ["call.transcript.ready", "its transcript is whole"],
  ["call.recording.ready", "its recording is there"],
  ["call.intelligence.ready", "its analysis is done, each time"],
  ["batch.completed", "the last call of a campaign is over"],
];
