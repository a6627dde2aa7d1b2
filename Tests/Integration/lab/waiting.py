"""Waiting for something to become true, with an end."""

import time

LIMIT = 30.0  # seconds; far more than anything takes, so that only what never happens runs into it


def eventually(what, probe, limit=LIMIT):
    """Calls `probe` until it returns something true, and returns that.

    An AssertionError of `probe` means "not yet". After `limit` seconds the last one, or `what`, fails the test.
    """
    end = time.monotonic() + limit
    pause = 0.01
    while True:
        reason = None
        try:
            if found := probe():
                return found
        except AssertionError as error:
            reason = error
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit:g} s: {what}" + (f"\n{reason}" if reason else "")) from reason
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)
