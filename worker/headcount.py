"""What each call costs, told by its job process to the worker's main process: how many ears, and if it is too much.

A small file for each job: it is the same for whoever reads it when, and nobody has to listen. The job keeps it locked:
a file that is not is that of a job which was killed, and the next worker that starts removes it.
"""

import errno
import fcntl
import logging
from pathlib import Path
from typing import BinaryIO, NamedTuple

from calls.settings import Settings
from calls.workers.life import is_locked
from worker.strain import Strain

logger = logging.getLogger(__name__)

_STRAINED = "strained"


class Told(NamedTuple):
    """What a job has said: how many ears it has, and whether it does not keep up with them."""

    ears: int
    is_strained: bool


class EarCount:
    """The file of one job, in its process."""

    def __init__(self, settings: Settings, job_id: str) -> None:
        self._path = _folder(settings) / job_id
        self._file: BinaryIO | None = None
        self._ears = 0
        self._strain = Strain()

    def note_late(self, seconds: float) -> None:
        """This job has done so late what was to be done at a moment."""
        if self._strain.note(seconds):
            self.write(self._ears)

    def write(self, ears: int) -> None:
        """This job has so many ears now. If that cannot be written, as on a full disk, what it told before stands."""
        self._ears = ears
        try:
            before, self._file = self._file, self._told(ears)
        except OSError as error:
            logger.warning("what a call costs cannot be told", extra={"error": errno.errorcode.get(error.errno or 0)})
            return
        if before is not None:
            before.close()

    def _told(self, ears: int) -> BinaryIO | None:
        """The file that is there now, locked; none without ears."""
        if ears == 0:
            self._path.unlink(missing_ok=True)
            return None
        while (file := self._written(ears)) is None:
            pass
        return file

    def _written(self, ears: int) -> BinaryIO | None:
        """The new file, locked; None if a worker that starts found it before it was, and removed it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(".part")
        file = part.open("wb", buffering=0)  # else a full disk is in the way of closing it, too
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write((f"{ears} {_STRAINED}" if self._strain.is_felt else str(ears)).encode())
            part.replace(self._path)
        except OSError as error:
            file.close()
            part.unlink(missing_ok=True)
            if isinstance(error, FileNotFoundError):
                return None
            raise
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
