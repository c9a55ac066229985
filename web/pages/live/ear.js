// A place in a call's room for who only listens.

import { RoomEvent, Track, setLogLevel } from "../../node_modules/livekit-client/dist/livekit-client.esm.mjs";
import { newRoom } from "../../room.js";

const AGENT_STATE = "lk.agent.state"; // set by the agent: initializing, listening, thinking, speaking

setLogLevel("warn");

/**
 * Enter the room and play what is said there; the error's message says why that cannot be.
 *
 * @param onState called with the agent's state.
 * @param onBlocked called with whether the browser waits for a click before it plays anything.
 * @param onLeft called once it is over, unless `stop` was asked for.
 * @returns `{ play, stop }`; `play` is to be called from a click.
 */
export async function openEar({ url, token }, { onState, onBlocked, onLeft }) {
  const room = newRoom();
  const sounds = document.body.appendChild(document.createElement("div")); // LiveKit leaves its elements behind
  sounds.hidden = true;
  let isStopped = false;
  const tell = (participant) => participant.attributes[AGENT_STATE] && onState(participant.attributes[AGENT_STATE]);
  room
    .on(RoomEvent.ParticipantConnected, tell)
    .on(RoomEvent.ParticipantAttributesChanged, (_changed, participant) => tell(participant))
    .on(RoomEvent.TrackSubscribed, (track) => track.kind === Track.Kind.Audio && sounds.append(track.attach()))
    .on(RoomEvent.TrackUnsubscribed, (track) => track.detach().forEach((element) => element.remove()))
    .on(RoomEvent.AudioPlaybackStatusChanged, () => onBlocked(!room.canPlaybackAudio))
    .on(RoomEvent.Disconnected, () => {
      sounds.remove();
      if (!isStopped) onLeft();
    });
  const stop = async () => {
    isStopped = true;
    await room.disconnect();
    sounds.remove();
  };
  try {
    await room.connect(url, token);
  } catch {
    await stop();
    throw new Error(`The LiveKit server at ${url} cannot be reached from this browser.`);
  }
  room.remoteParticipants.forEach(tell);
  return { play: () => room.startAudio(), stop };
}
