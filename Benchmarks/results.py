"""What was measured: a file that keeps the rows of each case, so that one case can be measured again alone."""

import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
DIRECTORY = os.path.join(ROOT, ".build", "bench")


def file_of(quick):
    """Where the results are. Those of runs with --quick are of other sizes."""
    return os.path.join(DIRECTORY, "results-quick.json" if quick else "results.json")


class Results:
    """The results of all cases on one machine.

    `cases` is {name: {"rows", "facts", "points", "date", "repeat", "load": [before, after], "seconds"}}.
    """

    def __init__(self, machine, quick=False):
        self.machine, self.cases, self.file = machine, {}, file_of(quick)

    @classmethod
    def read(cls, quick=False):
        """The results of earlier runs; None if there are none."""
        try:
            with open(file_of(quick)) as file:
                content = json.load(file)
        except FileNotFoundError:
            return None
        results = cls(content["machine"], quick)
        results.cases = content["cases"]
        return results

    @classmethod
    def continued(cls, machine, quick):
        """Those of earlier runs on this machine, for more."""
        found = cls.read(quick)
        return found if found and found.machine == machine else cls(machine, quick)

    def write(self):
        os.makedirs(DIRECTORY, exist_ok=True)
        with open(self.file + ".new", "w") as file:
            json.dump({"machine": self.machine, "cases": self.cases}, file, indent=1)
        os.replace(self.file + ".new", self.file)

    def chosen(self, names):
        return [self.cases[name] for name in names if name in self.cases]

    def rows(self, names):
        return [row for case in self.chosen(names) for row in case["rows"]]

    def facts(self, names):
        """Lines about the machine, the time and the data."""
        cases = self.chosen(names)
        if not cases:
            return []
        dates = sorted({case["date"] for case in cases})
        loads = [load for case in cases for load in case["load"]]
        repeats = sorted({case["repeat"] for case in cases})
        when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
        first = (
            f"{self.machine}, {when}, medians of {' or '.join(map(str, repeats))} runs; load average {min(loads):.1f} to"
            f" {max(loads):.1f}; {sum(case['seconds'] for case in cases) / 60:.0f} minutes.")
        return [first, *(fact for case in cases for fact in case["facts"])]

    def points(self, names):
        """What the picture shows; empty if it was not measured."""
        return [point for case in self.chosen(names) for point in case["points"]]
