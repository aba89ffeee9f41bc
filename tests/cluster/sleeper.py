"""A worker that imports no torch: it waits, and says where it is."""

import os
import time

from evar.base.errors import DataError


class Sleeper:
    """Its facts are its process."""

    def ready(self):
        return os.getpid()

    def wait(self, seconds, value):
        time.sleep(seconds)
        return os.getpid(), value

    def fail(self, text):
        raise DataError(text)

    def end(self):
        os._exit(1)
