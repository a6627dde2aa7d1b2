"""Fixtures: everything that they start ends with the test, and its output is shown when the test fails."""

import functools
import itertools
import re
import shutil
from pathlib import Path

import pytest

from lab.paths import FIXTURES, LAB, LOGS, SUPPORT
from lab.powerdns import VERSIONS, Installation, PowerDNS
from lab.process import run, tail
from lab.proxy import Proxy
from lab.storage import Directory, S3Server
from lab.syncer import Lightningstream, database

OTHER_VERSION = 3  # get-pdns: this machine's packages are of another version than the one that is asked for


@pytest.fixture(scope="session")
def installed_powerdns():
    """installed_powerdns("4.7") unpacks that version, unless it is there, and returns the Installation."""

    def install(version):
        prefix = LAB / f"pdns-{version}"
        done = run([SUPPORT / "get-pdns", VERSIONS[version][0], prefix], limit=900)
        if done.returncode == OTHER_VERSION:
            pytest.skip(done.stderr.strip())
        if done.returncode != 0:
            raise RuntimeError(f"no PowerDNS {version}:\n{done.stderr}")
        return Installation(version, prefix)

    return functools.cache(install)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    """One S3 server for all tests that don't take it down."""
    server = S3Server(tmp_path_factory.mktemp("s3"))
    yield server
    server.stop()


@pytest.fixture
def own_s3_server(tmp_path):
    """An S3 server for one test, which may stop it."""
    server = S3Server(tmp_path / "s3")
    yield server
    server.stop()


_buckets = itertools.count(1)


@pytest.fixture
def bucket(s3_server):
    """An empty bucket on the S3 server."""
    return s3_server.bucket(f"bucket-{next(_buckets)}")


@pytest.fixture
def proxy():
    """Makes proxies: proxy(endpoint, hangs) is in front of the S3 server at that endpoint."""
    made = []

    def make(*arguments, **options):
        made.append(Proxy(*arguments, **options))
        return made[-1]

    yield make
    for one in made:
        one.end()


@pytest.fixture
def directory(tmp_path):
    """An empty directory as storage."""
    return Directory(tmp_path / "bucket")


@pytest.fixture(params=["s3", "fs"])
def storage(request):
    """Each kind of storage in turn."""
    return request.getfixturevalue("bucket" if request.param == "s3" else "directory")


_LOGS = pytest.StashKey[Path]()


@pytest.fixture
def logs(request):
    """The directory for the output of the test's programs; it outlives the test."""
    path = LOGS / re.sub(r"[^\w.-]+", "-", request.node.nodeid.split("/")[-1]).strip("-")
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    request.node.stash[_LOGS] = path
    return path


@pytest.fixture
def powerdns(installed_powerdns, tmp_path, logs):
    """Makes PowerDNS servers: powerdns("a") or powerdns("a", "4.7") is one that has not been started."""
    made = []

    def make(name, version="4.9", **options):
        made.append(
            PowerDNS(installed_powerdns(version), name, tmp_path / name, logs / f"powerdns-{name}.log", **options))
        return made[-1]

    yield make
    for server in made:
        server.kill()


@pytest.fixture
def lightningstream(tmp_path, logs):
    """Makes instances: lightningstream("a", databases, storage, **settings) is one that has not been started."""
    made = []

    def make(name, databases, storage, **settings):
        settings = {"log": {"level": "debug", "timestamp": "full"}} | settings
        made.append(Lightningstream(
            name, tmp_path / f"{name}-syncer", databases, storage, logs / f"lightningstream-{name}.log", **settings))
        return made[-1]

    yield make
    for instance in made:
        instance.kill()


@pytest.fixture
def fixture_lmdbs(tmp_path):
    """fixture_lmdbs("pdns-4.9") copies LMDBs that PowerDNS of that version made, and returns (main, shard)."""

    def copy(version, to="copied"):
        target = tmp_path / to
        target.mkdir()
        files = target / "db", target / "db-0"
        for kind, file in zip(("main", "shard"), files):
            shutil.copy(FIXTURES / f"{version}.{kind}.mdb", file)
        return files

    return copy


@pytest.fixture
def native(fixture_lmdbs, directory, lightningstream):
    """An instance with the LMDBs of a PowerDNS 4.9 and a directory as storage."""
    main, shard = fixture_lmdbs("pdns-4.9")
    instance = lightningstream("ours", {"main": database(main), "shard": database(shard)}, directory.storage())
    instance.files = main, shard
    return instance


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Adds the end of every log of a failed test to its report."""
    report = yield
    if report.failed and _LOGS in item.stash:
        for log in sorted(item.stash[_LOGS].iterdir()):
            report.sections.append((log.name, tail(log)))
    return report
