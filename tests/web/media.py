"""Scripts that run before a page's own, after which its browser has other sound devices than it has."""

# Chromium's own microphone cannot be unplugged: this one tells of it as the browser would.
UNPLUGGABLE = """() => {
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    if (window.unplugged) throw new DOMException("none is there", "NotFoundError");
    const stream = await open(wanted);
    window.unplug = () => {
      window.unplugged = true;
      for (const track of stream.getAudioTracks()) { track.stop(); track.dispatchEvent(new Event("ended")); }
    };
    return stream;
  };
}"""
# A browser that plays nothing before it is clicked; headless ones let everything play.
SILENT = """() => {
  const play = HTMLMediaElement.prototype.play;
  const clicked = (event) => { window.clicked ||= event.composedPath()[0].textContent.includes("Hear"); };
  addEventListener("click", clicked, true);
  HTMLMediaElement.prototype.play = function () {
    return window.clicked ? play.call(this) : Promise.reject(new DOMException("not before a click", "NotAllowedError"));
  };
}"""
