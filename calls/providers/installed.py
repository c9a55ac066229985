"""Which of LiveKit's plugins are installed here: a name that is none of the settings' means one of them."""

import importlib.metadata


def installed_version(name: str) -> str | None:
    """The version of the plugin, None if it is not there; it looks at the disk."""
    try:
        return importlib.metadata.version(f"livekit-plugins-{name.replace('_', '-')}")
    except importlib.metadata.PackageNotFoundError:
        return None
