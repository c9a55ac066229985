"""What LiveKit's native library logs.

It hands each record to Python, where no more of it may be logged than that there was one: it may hold what is private.
In a call these are 65 a second, nearly all of them traces that are thrown away.
"""

import os

from livekit import rtc
from livekit.rtc._ffi_client import FfiClient, ffi_event_callback  # it has no public name for who is to log


def leave_alone() -> None:
    """Have the library keep its records to itself, or write them to stderr, where RUST_LOG asks for that.

    To be called before anything else uses the library: it looks at RUST_LOG once, and without it would write errors.
    """
    os.environ.setdefault("RUST_LOG", "off")
    library = FfiClient.instance._ffi_lib  # noqa: SLF001 - the same
    library.livekit_ffi_initialize(ffi_event_callback, False, b"python", rtc.__version__.encode())  # noqa: FBT003 - its own
