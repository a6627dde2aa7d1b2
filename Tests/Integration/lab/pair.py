"""Two PowerDNS servers and two syncers that keep them equal."""

from dataclasses import dataclass

from lab import lmdbs
from lab.powerdns import MAP_SIZE, PowerDNS
from lab.syncer import Lightningstream, database, shadow_database
from lab.waiting import eventually


@dataclass
class Pair:
    """Both servers and both syncers of one story."""

    a: PowerDNS
    b: PowerDNS
    syncers: list[Lightningstream]

    def agree(self):
        """Waits until both sides hold the same entries, and returns those as (main, shard).

        These are {name of the table: DBI}, deleted entries and timestamps included, whatever the schema keeps them in.
        """
        def equal():
            for syncer in self.syncers:
                assert not syncer.process or syncer.process.running, f"{syncer.name} has ended"
            return self.compare()

        return eventually("both LMDBs are equal", equal)

    def compare(self):
        """The same without waiting: fails when they differ."""
        return [versions(self.a.version, files) for files in (
            (self.a.main, self.b.main), (self.a.shard, self.b.shard))]

    def both_answer(self, name, kind, *texts, rcode="NOERROR"):
        for server in (self.a, self.b):
            assert server.answer(name, kind) == (rcode, sorted(texts)), server.name


def versions(version, files):
    """The entries that all LMDBs of that version of PowerDNS hold: {name of the table: DBI}."""
    if version == "4.7":
        return lmdbs.assert_synced(*files)[1]
    return {name.removesuffix("_v5"): dbi for name, dbi in lmdbs.assert_equal(*files).items()
            if not name.startswith("_sync")}


def syncer_of(server, lightningstream, storage, **settings):
    """A syncer for a server: in native mode, or in shadow mode where the version needs it."""
    # What PowerDNS has not made yet, the syncer makes as PowerDNS would have.
    options = {"create": True, "file_mask": "0600", "map_size": MAP_SIZE}
    configured = shadow_database if server.version == "4.7" else database
    return lightningstream(
        server.name, {"main": configured(server.main, **options), "shard": configured(server.shard, **options)},
        storage.storage(), **settings)
