// The sound of a recording: where it is, and who wants to know.

import { useEffect, useState } from "../../preact.js";

const RENEWED_MS = 30_000; // a link that fails again so soon is not what is wrong

/** Plays one recording; whoever has subscribed is called whenever it moves, starts, stops or fails. */
export class Playback {
  #audio = new Audio();
  #listeners = new Set();
  #renew;
  #renewedAt = -Infinity;
  #isWanted = false; // to be heard, also while there is no link that holds
  #isMending = false;
  #frame = null;
  error = null;

  /**
   * @param url the signed link.
   * @param renew `() => Promise<url>`: another link, for they do not hold for ever.
   */
  constructor(url, renew) {
    this.#renew = renew;
    this.#audio.preload = "metadata";
    this.#audio.src = url;
    this.#audio.addEventListener("play", () => (this.#isWanted = true)); // a key of the keyboard can do that too
    this.#audio.addEventListener("pause", () => {
      if (this.#audio.paused && !this.#isMending) this.#isWanted = false;
    });
    for (const kind of ["play", "pause", "seeked", "ended", "ratechange", "loadedmetadata"]) this.#audio.addEventListener(kind, () => this.#tell());
    this.#audio.addEventListener("error", () => this.#mend());
  }

  get isPlaying() {
    return this.#isWanted && this.error === null;
  }

  /** Seconds from the beginning. */
  get position() {
    return this.#audio.currentTime;
  }

  get rate() {
    return this.#audio.playbackRate;
  }

  set rate(rate) {
    this.#audio.defaultPlaybackRate = rate; // what another link begins with
    this.#audio.playbackRate = rate;
  }

  async play() {
    this.#isWanted = true;
    if (this.error !== null) return this.retry();
    this.#tell();
    try {
      await this.#audio.play();
    } catch (error) {
      if (error.name === "AbortError" || this.#audio.error) return; // paused again at once; or the link is being renewed
      this.#fail("The browser does not play this recording.");
    }
  }

  toggle() {
    if (this.isPlaying) this.#pause();
    else this.play();
  }

  #pause() {
    this.#isWanted = false;
    this.#audio.pause();
    this.#tell();
  }

  seek(seconds) {
    this.#audio.currentTime = Math.max(0, seconds);
    this.#tell();
  }

  /** @returns a function that ends it. */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close() {
    this.#listeners.clear();
    cancelAnimationFrame(this.#frame);
    this.#audio.pause();
    this.#audio.removeAttribute("src");
    this.#audio.load();
  }

  /** Try again after a failure. */
  async retry() {
    this.error = null;
    this.#renewedAt = -Infinity;
    await this.#mend();
  }

  /** The link has expired, or nobody answers: go on where we were with another one. */
  async #mend() {
    if (performance.now() - this.#renewedAt < RENEWED_MS) return this.#fail("The recording cannot be fetched.");
    this.#renewedAt = performance.now();
    this.#isMending = true;
    try {
      const url = await this.#renew();
      const { currentTime } = this.#audio; // asked for only now: somebody may have gone elsewhere meanwhile
      this.#audio.src = url;
      this.#audio.currentTime = currentTime;
    } catch (error) {
      return this.#fail(error.message);
    } finally {
      this.#isMending = false;
    }
    return this.#isWanted ? this.play() : undefined;
  }

  #fail(message) {
    this.error = message;
    this.#tell();
  }

  /** While it plays, at every picture. */
  #tell() {
    cancelAnimationFrame(this.#frame);
    for (const listener of [...this.#listeners]) listener();
    if (this.isPlaying) this.#frame = requestAnimationFrame(() => this.#tell());
  }
}

/** `read(playback)`, anew whenever it gives something else; undefined without a playback. */
export function usePlayback(playback, read) {
  const [value, setValue] = useState(() => playback && read(playback));
  useEffect(() => {
    if (!playback) return undefined;
    const look = () => setValue(read(playback));
    look();
    return playback.subscribe(look);
  }, [playback]);
  return playback ? value : undefined;
}
