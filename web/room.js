// A room of LiveKit's, which whoever leaves the page leaves, and nobody who was only asked whether to.

import { ConnectionState, Room, RoomEvent } from "./node_modules/livekit-client/dist/livekit-client.esm.mjs";

/**
 * A `Room` that is left when the page goes. LiveKit's own way leaves it with `beforeunload` already, which whoever is
 * asked then can answer by staying, and with `freeze`, after which a page may go on.
 */
export function newRoom() {
  const room = new Room({ disconnectOnPageLeave: false });
  const leave = () => room.disconnect();
  return room.on(RoomEvent.ConnectionStateChanged, (state) => {
    window.removeEventListener("freeze", room.onPageLeave); // which no option leaves out
    if (state === ConnectionState.Disconnected) window.removeEventListener("pagehide", leave);
    else window.addEventListener("pagehide", leave);
  });
}
