"""Runs programs with other privileges than the tests have."""

import functools
import os

from lab.process import run


@functools.cache
def without():
    """Words to put before a command, so that the modes of files count for it even if the tests run as root."""
    drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]
    # Who may not drop privileges has none to drop.
    return drop if os.geteuid() == 0 and works(drop) else []


@functools.cache
def new_pid_namespace():
    """Words to put before a command, so that its process IDs start at 1; none where containers may not nest."""
    unshare = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    for words in (unshare, [*unshare, "--user", "--map-root-user"]):
        if works(words):
            return words
    return []


def works(words):
    return run([*words, "true"]).returncode == 0
