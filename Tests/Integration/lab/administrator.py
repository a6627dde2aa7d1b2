"""Somebody who types the commands of a page of the documentation."""

import os
import re
import shlex

from lab.markdown import DOCS
from lab.process import run


def sections(page):
    """The commands of a page: {title of the section, without its number: shell script}."""
    parts = re.split(r"^## (?:\d+\. )?(.+)$", (DOCS / page).read_text(), flags=re.MULTILINE)[1:]
    return {
        title: "".join(re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
        for title, text in zip(parts[::2], parts[1::2])}


class Operator:
    """Types what sections of a page say; `replaced` are paths of the page and those of the test."""

    def __init__(self, page, directory, replaced=None, interpreter="sh"):
        self.sections, self.directory, self.replaced = sections(page), directory, replaced or {}
        self.interpreter = interpreter
        self.tools = directory / "bin"
        self.tools.mkdir(parents=True, exist_ok=True)

    def tool(self, name, *command):
        """What the command of this name is."""
        path = self.tools / name
        path.write_text(f"#!/bin/sh\nexec {shlex.join(map(str, command))} \"$@\"\n")
        path.chmod(0o755)

    def type(self, *titles):
        """Does what these sections say, in one shell, and returns what that prints."""
        script = "".join(self.sections[title] for title in titles)
        assert script, titles
        for old, new in self.replaced.items():
            script = script.replace(old, str(new))
        done = run(
            [self.interpreter, "-euc", f"cd {shlex.quote(str(self.directory))}\n{script}"],
            os.environ | {"PATH": f"{self.tools}:{os.environ['PATH']}"}, limit=120)
        assert done.returncode == 0, f"{titles}:\n{script}\n{done.stdout}{done.stderr}"
        return done.stdout
