"""What a job tells of its call, on a disk that has room or has none."""

from pathlib import Path

from calls.settings import Settings
from calls.workers.life import is_locked
from tests.full_disk import full_disk
from worker.headcount import EarCount, Headcount
from worker.strain import LATE_S, OFTEN


def test_what_cannot_be_written_leaves_what_was_told_before(tmp_path: Path) -> None:
    settings = Settings(
        _env_file=None,
        livekit_url="ws://127.0.0.1:9",
        livekit_api_key="key",
        livekit_api_secret="secret" * 6,
        state_dir=tmp_path,
    )
    count, ears = EarCount(settings, "job"), tmp_path / "ears"
    count.write(1)
    with full_disk():
        for _ in range(OFTEN):
            count.note_late(2 * LATE_S)
        count.write(2)
    assert Headcount(settings).read("job") == (1, False)
    assert is_locked(ears / "job")
    assert [file.name for file in ears.iterdir()] == ["job"]
    count.write(2)
    assert Headcount(settings).read("job") == (2, True)
    count.write(0)
    assert not list(ears.iterdir())
