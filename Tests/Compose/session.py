"""A session in a page of the documentation: commands after `$ `, each with what it prints on standard output."""

import re

from lab.paths import ROOT


def session(page, heading):
    """[(command, output)] of the first fenced block below the heading."""
    text = (ROOT / page).read_text()
    assert f"\n{heading}\n" in text, f"{page} has no {heading}"
    block = re.search(r"^```console\n(.*?)^```$", text.split(f"\n{heading}\n", 1)[1], re.MULTILINE | re.DOTALL)
    steps = []
    for line in block[1].splitlines():
        if line.startswith("$ "):
            steps.append((line[2:], []))
        else:
            steps[-1][1].append(line)
    return [(command, "\n".join(output)) for command, output in steps]


def comparable(output):
    """The lines without what differs from run to run: their order, because standard output and standard error come by
    different ways, and the times and suffixes in the names of snapshots."""
    return sorted(re.sub(r"__\d{8}-\d{6}-\d{9}__[0-9A-Z]+\.pb\.gz", "__TIME.pb.gz", output.strip()).splitlines())
