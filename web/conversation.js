// The room: our microphone out, the agent's voice in.

import {
  Room,
  RoomEvent,
  Track,
  createLocalAudioTrack,
  setLogLevel,
} from "./node_modules/livekit-client/dist/livekit-client.esm.mjs";

const AGENT_STATE = "lk.agent.state"; // set by the agent: initializing, listening, thinking, speaking

setLogLevel("warn");

/** The microphone as a track; the error's message says what the user can do about it. */
export async function openMicrophone() {
  if (!navigator.mediaDevices) {
    throw new Error("Browsers give a microphone only to https pages and to localhost. Open this page at such an address.");
  }
  try {
    return await createLocalAudioTrack({ echoCancellation: true, noiseSuppression: true, autoGainControl: true });
  } catch (error) {
    throw new Error(MICROPHONE[error.name] ?? `The microphone cannot be used: ${error.message}`);
  }
}

const MICROPHONE = {
  NotAllowedError: "The microphone is blocked. Allow it for this page in the browser's address bar, then start again.",
  NotFoundError: "There is no microphone. Connect one, then start again.",
  NotReadableError: "Another program holds the microphone. Close it, then start again.",
};

export class Conversation {
  #room = new Room();
  #microphone;
  #joined = false;

  /**
   * @param onState called with the agent's state whenever it changes, and with "reconnecting" while the line is down.
   * @param onLeft called once we were in the room and are out again, whoever ended it.
   */
  constructor(microphone, { onState, onLeft }) {
    this.#microphone = microphone;
    const tell = (participant) => participant.attributes[AGENT_STATE] && onState(participant.attributes[AGENT_STATE]);
    this.#room
      .on(RoomEvent.ParticipantConnected, tell)
      .on(RoomEvent.ParticipantAttributesChanged, (_changed, participant) => tell(participant))
      .on(RoomEvent.Reconnecting, () => onState("reconnecting"))
      .on(RoomEvent.Reconnected, () => this.#room.remoteParticipants.forEach(tell))
      .on(RoomEvent.TrackSubscribed, (track) => track.kind === Track.Kind.Audio && document.body.append(track.attach()))
      .on(RoomEvent.TrackUnsubscribed, (track) => track.detach().forEach((element) => element.remove()))
      .on(RoomEvent.Disconnected, () => {
        microphone.stop();
        if (this.#joined) onLeft();
      });
  }

  /** Enter the room and be heard. */
  async join({ url, token }) {
    try {
      await this.#room.connect(url, token);
      await this.#room.localParticipant.publishTrack(this.#microphone);
      this.#joined = true;
    } catch {
      this.#microphone.stop();
      await this.#room.disconnect();
      throw new Error(`The LiveKit server at ${url} cannot be reached from this browser.`);
    }
  }

  mute(muted) {
    return muted ? this.#microphone.mute() : this.#microphone.unmute();
  }

  leave() {
    return this.#room.disconnect();
  }
}
