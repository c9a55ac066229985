"""Put on `PYTHONPATH`, this makes a Python process and its children live on a host whose wall clock is `AHEAD_S` ahead.

Debian's `faketime` cannot: with its library loaded, `time.sleep` fails and conditions are never met.
"""

import ctypes
import datetime as dt
import gc
import os
import time

AHEAD_S = float(os.environ["AHEAD_S"])
_AHEAD = dt.timedelta(seconds=AHEAD_S)
_time, _time_ns, _now = time.time, time.time_ns, dt.datetime.now

time.time = lambda: _time() + AHEAD_S
time.time_ns = lambda: _time_ns() + round(AHEAD_S * 1e9)
# The class itself, for pydantic and others know it by its identity; Python hides the methods of what is built in.
[_methods] = gc.get_referents(dt.datetime.__dict__)
_methods["now"] = staticmethod(lambda tz=None: _now(tz) + _AHEAD)
ctypes.pythonapi.PyType_Modified(ctypes.py_object(dt.datetime))
