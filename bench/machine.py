"""What the measurements ran on, as their figures tell it."""

import os
import platform
from typing import Any

import psutil


def machine() -> dict[str, Any]:
    """Its cores, memory and system, and how busy it is."""
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": platform.platform(),
        "load_average": os.getloadavg(),
    }
