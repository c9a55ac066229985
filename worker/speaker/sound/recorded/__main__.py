"""`python -m worker.speaker.sound.recorded URL` makes the recordings anew: English by local speech, else by espeak-ng.

The URL is that of local speech, and ends in `/v1`.
"""

import subprocess
import sys

import av
import numpy as np
import openai
from numpy.typing import NDArray

from calls.phrases import Phrases, written
from worker.speaker.sound.files import encoded
from worker.speaker.sound.recorded import LANGUAGES, path
from worker.speaker.sound.voice import SAMPLE_RATE

LOUD = 0.5  # of the loudest that there is: where each recording has its loudest sample


def main(url: str) -> None:
    """Write every phrase in every language."""
    for language in LANGUAGES:
        for key, text in (written(language) or Phrases()).model_dump(exclude_none=True).items():
            said = _by_local_speech(url, text) if language == "en" else _by_espeak(language, text)
            samples = said / np.abs(said).max() * LOUD * 32767
            file = path(language, key)
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(encoded(samples.astype("<i2").tobytes()))


def _by_local_speech(url: str, text: str) -> NDArray[np.float32]:
    client = openai.OpenAI(base_url=url, api_key="none")
    pcm = client.audio.speech.create(model="local", voice="heart", input=text, response_format="pcm").read()
    return np.frombuffer(pcm, "<i2").astype(np.float32)


def _by_espeak(language: str, text: str) -> NDArray[np.float32]:
    command = ["espeak-ng", "-v", language, "-s", "150", "--stdout", text]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as speaking, av.open(speaking.stdout, "r") as sound:  # noqa: S603
        resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        frames = [part for frame in sound.decode(audio=0) for part in resampler.resample(frame)]
        return np.concatenate([part.to_ndarray()[0] for part in [*frames, *resampler.resample(None)]])


if __name__ == "__main__":
    main(sys.argv[1])
