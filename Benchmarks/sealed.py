"""The cases of the benchmark about sealing: what it adds to a dump and to a merge, and that its memory does not grow with the object."""

import os
import shutil

import cases
import measure
from cases import say
from measure import BenchmarkError

MAGIC = b"age-encryption.org/v1\n"


def identity(tools):
    """Makes an identity, and returns what the configuration needs to seal with it; `storage:` is its last key."""
    file = tools.path("identity")
    if os.path.exists(file):
        os.unlink(file)
    measure.run([tools.lightningstream, "keygen", "-o", file], tools.path("keygen.log"))
    return f"  sealing: {{identity_files: [{file}]}}\n"


def dumps(tools, entries, repeat):
    """A dump that is sealed, a merge of it with nothing new, and as floors both unsealed; {case: (ours, floor)} of Costs."""
    say(f"sealing, {entries} entries: generating")
    database, sealing = tools.path("sealed.lmdb"), identity(tools)
    tools.ask("generate", database, str(entries))
    buckets = {name: tools.path(f"bucket-{name}") for name in ("sealed", "plain")}

    def dump(name, more=""):
        bucket = tools.empty_bucket(f"bucket-{name}")
        cost = measure.run(tools.ours("a", database, bucket, "sync", "--only-once", more=more), tools.path("a.log"))
        check(bucket, bool(more))
        return cost

    def merge(name, more=""):
        return measure.run(
            tools.ours("b", database, buckets[name], "receive", "--only-once", more=more), tools.path("b.log"))

    results = {}
    for case, work in (("dump", dump), ("merge", merge)):
        results[case] = cases.in_turns(
            f"sealed {case}", repeat, lambda work=work: work("sealed", sealing), lambda work=work: work("plain"))
    tools.remove_database(database)
    for bucket in buckets.values():
        shutil.rmtree(bucket)
    return results


def check(bucket, is_sealed):
    """Ends the run if an object is not sealed as it should be: the figures would mean nothing."""
    for name in os.listdir(bucket):
        if ".tmp" in name:
            continue
        with open(os.path.join(bucket, name), "rb") as file:
            if (file.read(len(MAGIC)) == MAGIC) != is_sealed or name.endswith(".age") != is_sealed:
                raise BenchmarkError(f"{name} should {'' if is_sealed else 'not '}be sealed")
