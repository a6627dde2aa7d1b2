"""The cases of the benchmark about PowerDNS's zones: what knowing them costs a merge, and `pdns check`."""

import shutil

import cases
import measure
from cases import say
from measure import BenchmarkError

CONFIGURATION = """\
instance: {instance}
lmdbs:
  main: {{path: {database}.main, schema_tracks_changes: true, options: {options}}}
  shard: {{path: {database}, schema_tracks_changes: true, options: {options}}}
storage:
  type: fs
  options: {{root_path: {bucket}}}
powerdns: {{enabled: {aware}, validation: {{relations: {check}, zones: {check}}}}}
"""


class Site:
    """A main database and its shard, and a bucket."""

    def __init__(self, tools, name):
        self.tools, self.name, self.database = tools, name, tools.path(f"{name}.lmdb")

    def generate(self, entries):
        self.tools.ask("generate", self.database, str(entries), "1", "zones")
        return self

    def command(self, bucket, *words, aware=True, check="warn"):
        file = self.tools.path(f"{self.name}.yaml")
        with open(file, "w") as configuration:
            configuration.write(CONFIGURATION.format(
                instance=self.name, database=self.database, bucket=bucket, aware="auto" if aware else "false", check=check,
                options="{no_subdir: true, create: true, map_size: 2GB}"))
        return [self.tools.lightningstream, "--config", file, *words]

    def run(self, bucket, *words, aware=True, check="warn", **options):
        return measure.run(
            self.command(bucket, *words, aware=aware, check=check), self.tools.path(f"{self.name}.log"), **options)

    def remove(self):
        for path in (self.database, self.database + ".main"):
            self.tools.remove_database(path)

    def copy_to(self, other):
        for suffix in ("", ".main"):
            shutil.copyfile(self.database + suffix, other.database + suffix)
        return other


def told(site, message):
    """How many lines of the last run of a site tell of this."""
    with open(site.tools.path(f"{site.name}.log")) as log:
        return sum(1 for line in log if message in line)


def check(tools, sizes, repeat):
    """`pdns check` of databases with their zones; {entries: (Cost, how many findings)}.

    Some of the generated zones lack something, so that it ends with 1.
    """
    results = {}
    for entries in sizes:
        say(f"pdns check of {entries} RRsets")
        site, output = Site(tools, "checked").generate(entries), tools.path("check.txt")
        bucket = tools.empty_bucket("zones-bucket")
        costs = [site.run(bucket, "pdns", "check", output_file=output, exit_code=1) for _ in range(repeat)]
        with open(output) as lines:
            findings = sum(1 for _ in lines) - 1
        if not 0 < findings < entries // 4:
            raise BenchmarkError(f"pdns check says something else than it should:\n{measure.tail(output)}")
        results[entries] = cases.typical(costs), findings
        site.remove()
    return results


def loads(source, tools, repeat):
    """Loads all zones into empty databases, and as floor the same without a look into them."""
    bucket, copy = tools.empty_bucket("zones-bucket"), Site(tools, "loaded")
    source.run(bucket, "sync", "--only-once")

    def load(aware):
        copy.remove()
        # Every zone is new, and would be checked in the end: `pdns check` has what that takes.
        cost = copy.run(bucket, "receive", "--only-once", aware=aware, check="off")
        lines = told(copy, "merged changes of zone")
        if (lines > 0) != aware:
            raise BenchmarkError(f"{lines} zones were told of, which is not what was asked for")
        return cost

    result = cases.in_turns("load with zones", repeat, lambda: load(True), lambda: load(False))
    copy.remove()
    return result


def merges(source, tools, repeat):
    """Merges one changed RRset, and as floor the same without a look into it."""
    bucket, here = tools.path("zones-bucket"), source.copy_to(Site(tools, "merged"))

    def merge(aware):
        tools.ask("probe", "touch", source.database)
        tools.empty_bucket("zones-bucket")
        source.run(bucket, "sync", "--only-once")
        cost = here.run(bucket, "receive", "--only-once", aware=aware)
        if told(here, "merged=1 ") != 1:
            raise BenchmarkError(f"not exactly one entry was merged:\n{measure.tail(tools.path('merged.log'))}")
        if (told(here, "merged changes of zone") > 0) != aware:
            raise BenchmarkError("the changed zone was not told of as it should be")
        return cost

    result = cases.in_turns("merge of one RRset", repeat, lambda: merge(True), lambda: merge(False))
    here.remove()
    return result


def all_cases(tools, entries, repeat):
    """{case: result} with `entries` RRsets; `pdns check` with a tenth of them, too."""
    say(f"{entries} RRsets in their zones: generating")
    source = Site(tools, "source").generate(entries)
    results = {"load": loads(source, tools, repeat), "merge": merges(source, tools, repeat)}
    source.remove()
    results["check"] = check(tools, [entries // 10, entries], repeat)
    return results
