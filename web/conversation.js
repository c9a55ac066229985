// The room: our microphone out, the agent's voice in.

import {
  RoomEvent,
  Track,
  TrackEvent,
  createLocalAudioTrack,
  setLogLevel,
} from "./node_modules/livekit-client/dist/livekit-client.esm.mjs";
import { newRoom } from "./room.js";

const AGENT_STATE = "lk.agent.state"; // set by the agent: initializing, listening, thinking, speaking
const PROCESSED = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

setLogLevel("warn");

/**
 * The microphone as a track; the error's message says what the user can do about it.
 *
 * @param deviceId which one; without, the browser's usual one.
 */
export async function openMicrophone(deviceId) {
  if (!navigator.mediaDevices) {
    throw new Error("Browsers give a microphone only to https pages and to localhost. Open this page at such an address.");
  }
  try {
    return await createLocalAudioTrack({ ...PROCESSED, ...wanted(deviceId) });
  } catch (error) {
    throw explained(error);
  }
}

const MICROPHONE = {
  NotAllowedError: "The microphone is blocked. Allow it for this page in the browser's address bar, then start again.",
  NotFoundError: "There is no microphone. Connect one, then start again.",
  NotReadableError: "Another program holds the microphone. Close it, then start again.",
};

function explained(error) {
  return new Error(MICROPHONE[error.name] ?? `The microphone cannot be used: ${error.message}`);
}

function wanted(deviceId) {
  return deviceId ? { deviceId } : {};
}

export class Conversation {
  #room = newRoom();
  #microphone;
  #joined = false;
  #muted = false;
  #onState;

  /**
   * @param onState called with the agent's state whenever it changes, with "reconnecting" while the line is down, and with
   *     "away" from when `note` was told that the agent is lost until there is another.
   * @param onLeft called once we were in the room and are out again, whoever ended it.
   * @param onPlayback called with false where the browser plays no sound before it is asked to by `hear`, then true.
   * @param onMicrophone called with "lost" when the microphone is gone, as when it is unplugged, and with "found" when
   *     it, or another one, is in its place.
   */
  constructor(microphone, { onState, onLeft, onPlayback = () => {}, onMicrophone = () => {} }) {
    this.#microphone = microphone;
    this.#onState = onState;
    microphone.on(TrackEvent.Ended, () => onMicrophone("lost")).on(TrackEvent.Restarted, () => onMicrophone("found"));
    this.#room
      .on(RoomEvent.ParticipantConnected, this.#tell)
      .on(RoomEvent.ParticipantAttributesChanged, (_changed, participant) => this.#tell(participant))
      .on(RoomEvent.Reconnecting, () => onState("reconnecting"))
      .on(RoomEvent.Reconnected, () => this.#room.remoteParticipants.forEach(this.#tell))
      .on(RoomEvent.TrackSubscribed, (track) => track.kind === Track.Kind.Audio && document.body.append(track.attach()))
      .on(RoomEvent.TrackUnsubscribed, (track) => track.detach().forEach((element) => element.remove()))
      .on(RoomEvent.AudioPlaybackStatusChanged, () => onPlayback(this.#room.canPlaybackAudio))
      .on(RoomEvent.MediaDevicesError, () => onMicrophone("lost"))
      .on(RoomEvent.Disconnected, () => {
        microphone.stop();
        if (this.#joined) onLeft();
      });
  }

  /** What the microphone hears, as the browser's own track. */
  get sound() {
    return this.#microphone.mediaStreamTrack;
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

  /**
   * Take note of what the call's stream tells of its agents. One that died stays in the room for a while, and seems to do
   * there what it did last.
   */
  note({ kind }) {
    if (kind === "agent.lost") this.#onState("away");
    if (kind === "agent.joined") this.#room.remoteParticipants.forEach(this.#tell);
  }

  /** Play the agent's voice where the browser waited for a click: this is to be called from one. */
  hear() {
    return this.#room.startAudio();
  }

  /** Speak into another microphone, also when the one before is gone. */
  async useMicrophone(deviceId) {
    try {
      await this.#microphone.restartTrack({ ...PROCESSED, ...wanted(deviceId) });
      if (!this.#muted) await this.#microphone.unmute(); // where none was left, it was muted
    } catch (error) {
      throw explained(error);
    }
  }

  mute(muted) {
    this.#muted = muted;
    return muted ? this.#microphone.mute() : this.#microphone.unmute();
  }

  leave() {
    return this.#room.disconnect();
  }

  #tell = ({ attributes }) => {
    if (attributes[AGENT_STATE]) this.#onState(attributes[AGENT_STATE]);
  };
}
