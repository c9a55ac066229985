// One call: the room, the microphone and the agent's voice.

import { Room, RoomEvent, Track } from "/web/node_modules/livekit-client/dist/livekit-client.esm.mjs";

const SAYING = { listening: "Listening", thinking: "Thinking", speaking: "Speaking" };

// Asks for the microphone before there is a call, so that nobody is called who cannot be heard.
export async function microphone() {
  if (!navigator.mediaDevices) throw new Error("A microphone needs https or localhost.");
  try {
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    });
    return stream.getAudioTracks()[0];
  } catch (error) {
    const denied = error.name === "NotAllowedError";
    throw new Error(
      denied
        ? "The microphone is not allowed. Allow it for this page in your browser, then call again."
        : "No microphone was found. Connect one, then call again.",
    );
  }
}

// Joins; says what is going on through `onStatus(text)` and, once, `onLeft()`.
export async function join(access, mic, audioHolder, { onStatus, onLeft }) {
  const room = new Room();
  room.on(RoomEvent.TrackSubscribed, (track) => {
    if (track.kind === Track.Kind.Audio) audioHolder.append(track.attach());
  });
  room.on(RoomEvent.TrackUnsubscribed, (track) => track.detach().forEach((element) => element.remove()));
  room.on(RoomEvent.ParticipantAttributesChanged, (changed) => {
    const saying = SAYING[changed["lk.agent.state"]];
    if (saying) onStatus(saying);
  });
  room.on(RoomEvent.Reconnecting, () => onStatus("Reconnecting"));
  room.on(RoomEvent.Reconnected, () => onStatus("Connected"));
  room.on(RoomEvent.Disconnected, () => {
    mic.stop();
    audioHolder.replaceChildren();
    onLeft();
  });
  await room.connect(access.url, access.token);
  await room.localParticipant.publishTrack(mic, { source: Track.Source.Microphone });
  await room.startAudio();
  return room;
}
