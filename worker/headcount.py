"""What each call costs, told by its job process to the worker's main process: how many ears, and if it is too much.

A small file for each job: it is the same for whoever reads it when, and nobody has to listen. The job keeps it locked:
a file that is not is that of a job which was killed, and the next worker that starts removes it.
"""

import fcntl
from pathlib import Path
from typing import NamedTuple, TextIO

from calls.settings import Settings
from calls.workers.life import is_locked
from worker.strain import Strain

_STRAINED = "strained"


class Told(NamedTuple):
    """What a job has said: how many ears it has, and whether it does not keep up with them."""

    ears: int
    is_strained: bool


class EarCount:
    """The file of one job, in its process."""

    def __init__(self, settings: Settings, job_id: str) -> None:
        self._path = _folder(settings) / job_id
        self._file: TextIO | None = None
        self._ears = 0
        self._strain = Strain()

    def note_late(self, seconds: float) -> None:
        """This job has done so late what was to be done at a moment."""
        if self._strain.note(seconds):
            self.write(self._ears)

    def write(self, ears: int) -> None:
        """This job has so many ears now."""
        self._ears = ears
        before, self._file = self._file, None
        if ears == 0:
            self._path.unlink(missing_ok=True)
        while ears > 0 and self._file is None:
            self._file = self._written(ears)
        if before is not None:
            before.close()

    def _written(self, ears: int) -> TextIO | None:
        """The new file, locked; None if a worker that starts found it before it was, and removed it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(".part")
        file = part.open("w")
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(f"{ears} {_STRAINED}" if self._strain.is_felt else str(ears))
        file.flush()
        try:
            part.replace(self._path)
        except FileNotFoundError:
            file.close()
            return None
        return file


class Headcount:
    """The files of all jobs, in a worker's main process.

    It asks for the jobs that run, so that a job which was killed counts no more.
    """

    def __init__(self, settings: Settings) -> None:
        self._folder = _folder(settings)
        for file in self._folder.glob("*"):
            if not is_locked(file):
                file.unlink(missing_ok=True)

    def read(self, job_id: str) -> Told:
        """What this job has told; no ears before it said so."""
        try:
            ears, *strained = (self._folder / job_id).read_text().split()
        except FileNotFoundError:
            return Told(0, is_strained=False)
        return Told(int(ears), is_strained=_STRAINED in strained)

    def forget(self, job_id: str) -> None:
        """This job is over."""
        (self._folder / job_id).unlink(missing_ok=True)


def _folder(settings: Settings) -> Path:
    return settings.state_dir / "ears"
