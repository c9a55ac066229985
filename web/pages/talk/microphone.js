// Which microphone is spoken into.

import { html, useEffect, useState } from "../../preact.js";
import { ChoiceField } from "../../parts/field.js";

/** The microphones that the browser tells of, `[{ deviceId, label }]`: without its permission, none by name. */
export function useMicrophones() {
  const [devices, setDevices] = useState([]);
  useEffect(() => {
    if (!navigator.mediaDevices) return undefined;
    const look = async () => {
      const all = await navigator.mediaDevices.enumerateDevices();
      setDevices(all.filter(({ kind, deviceId }) => kind === "audioinput" && deviceId));
    };
    look();
    navigator.mediaDevices.addEventListener("devicechange", look);
    return () => navigator.mediaDevices.removeEventListener("devicechange", look);
  }, []);
  return devices;
}

/** @param onValue called with the id of a device, "" for the browser's usual one. */
export function MicrophoneField({ value, onValue, help }) {
  const devices = useMicrophones();
  const named = devices.filter(({ deviceId }) => deviceId !== "default");
  const options = [["", "The browser's usual one"], ...named.map(({ deviceId, label }, i) => [deviceId, label || `Microphone ${i + 1}`])];
  return html`<${ChoiceField} label="Microphone" ...${{ value, options, onValue, help }} />`;
}
