"""How many ears each call has, told by its job process to the worker's main process, which counts its capacity."""

from calls.settings import Settings


class Headcount:
    """A small file for each job: it is the same for whoever reads it when, and nobody has to listen.

    The main process asks for the jobs that run, so that a job which was killed counts no more.
    """

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.state_dir / "ears"

    def write(self, job_id: str, ears: int) -> None:
        """This job has so many ears now."""
        if ears == 0:
            self.forget(job_id)
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / f"{job_id}.part"
        part.write_text(str(ears))
        part.replace(self._folder / job_id)

    def read(self, job_id: str) -> int:
        """How many ears this job has; none before it said so."""
        try:
            return int((self._folder / job_id).read_text())
        except FileNotFoundError:
            return 0

    def forget(self, job_id: str) -> None:
        """This job is over."""
        (self._folder / job_id).unlink(missing_ok=True)
