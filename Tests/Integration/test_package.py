"""The Debian package on a clean Debian that runs its own systemd, and `make install`."""

import gzip
import os
import re
import shutil

import pytest

from lab.debian import Debian, package
from lab.paths import ROOT
from lab.process import free_port, run
from lab.systemd import missing, put
from lab.waiting import eventually

pytestmark = pytest.mark.system

SERVICE = "lightningstream.service"
CONFIGURATION = "/etc/lightningstream/lightningstream.yaml"


@pytest.fixture
def debian(tmp_path, logs):
    """A clean Debian."""
    if reason := missing():
        pytest.skip(reason)
    machine = Debian(tmp_path / "debian", logs / "systemd.log")
    try:
        yield machine
    finally:
        (logs / "services.log").write_text(machine.written())
        machine.end()


def install(debian, file, *more):
    """As an operator does it; apt finds the libraries."""
    return debian.apt("install", "--no-install-recommends", debian.put(file), *more)


def state(debian, unit=SERVICE):
    return debian.show(unit, "ActiveState")


def owner(debian, path):
    return debian.run("stat", "--format", "%a %U:%G", path).stdout.strip()


def newer(directory):
    """The same package with a higher version."""
    tree = directory / "newer"
    assert run(["dpkg-deb", "--raw-extract", package(), tree]).returncode == 0
    control = tree / "DEBIAN" / "control"
    control.write_text(re.sub(r"(?m)^(Version: .*)$", r"\1.1", control.read_text()))
    file = directory / "newer.deb"
    assert run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, file]).returncode == 0
    shutil.rmtree(tree)
    return file


def configure(debian, bucket):
    """What the comments of the example say, and a second instance."""
    text = (debian.root / CONFIGURATION[1:]).read_text()
    for old, new in (("https://s3.example.org", bucket.server.endpoint), ("bucket: zones", f"bucket: {bucket.name}"),
                     ("#instance: ns1", "instance: ns1"), ("16000MB", "64MB"), ("127.0.0.1:8500", f"127.0.0.1:{free_port()}")):
        assert old in text
        text = text.replace(old, new)
    (debian.root / CONFIGURATION[1:]).write_text(text)
    for key, value in zip(("access_key", "secret_key"), bucket.server.keys):
        debian.write(f"/etc/credstore/lightningstream.{key}", value + "\n", 0o600)
    debian.write("/etc/lightningstream/other.yaml", "storage: { type: memory }\nlmdbs:\n  main:\n"
                 "    path: /var/lib/powerdns/other.lmdb\n    options: { create: true }\n    schema_tracks_changes: true\n")


def test_a_server_from_installation_to_purge(debian, bucket, tmp_path):
    install(debian, package())
    assert state(debian) == "inactive", "an example is no configuration"
    assert debian.show(SERVICE, "UnitFileState") == "disabled"
    assert owner(debian, CONFIGURATION) == "640 root:pdns"
    assert owner(debian, "/etc/lightningstream") == "750 root:pdns"

    configure(debian, bucket)
    debian.run("systemctl", "enable", "--now", SERVICE, "lightningstream@other")
    assert state(debian) == state(debian, "lightningstream@other") == "active"
    put(debian, "something")
    eventually("a snapshot is stored", lambda: any("main__ns1__" in name for name in bucket.names()))
    assert "\n0 failed, 0 warned" in debian.run("lightningstream", "doctor").stdout
    strange = [line for line in debian.written().splitlines() if not line.startswith("INFO ")]
    assert strange == [], "the journal has only what the program logs"

    debian.run("chmod", "440", CONFIGURATION)
    first = {unit: debian.show(unit, "MainPID") for unit in (SERVICE, "lightningstream@other")}
    install(debian, newer(tmp_path))
    for unit, pid in first.items():
        eventually(f"{unit} has been restarted", lambda: state(debian, unit) == "active" and debian.show(unit, "MainPID") != pid)
    assert owner(debian, CONFIGURATION) == "440 root:pdns", "what the operator has changed stays"
    assert bucket.name in (debian.root / CONFIGURATION[1:]).read_text()

    debian.apt("remove", "lightningstream")
    assert debian.run("pgrep", "-x", "lightningstream", check=False).stdout == ""
    install(debian, package())
    for unit in first:
        eventually(f"{unit}, which is enabled, runs again", lambda: state(debian, unit) == "active")

    debian.apt("purge", "lightningstream")
    assert debian.run("pgrep", "-x", "lightningstream", check=False).stdout == ""
    left = [line.split()[0] for line in debian.files() if "lightningstream" in line]
    locks = [name for name in left if name.endswith("-lightningstream")]
    assert locks and all(name.startswith("var/lib/powerdns/") for name in locks), "beside databases, which stay, too"
    left = [name for name in left if name not in locks]
    assert sorted(left) == ["etc/credstore/lightningstream.access_key", "etc/credstore/lightningstream.secret_key",
                            "etc/lightningstream", "etc/lightningstream/other.yaml"], "what the operator has made"
    assert owner(debian, "/var/lib/powerdns/pdns.lmdb") == "600 pdns:pdns", "databases are never removed"


def test_purge_leaves_nothing(debian):
    libraries = run(["dpkg-deb", "--field", package(), "Depends"]).stdout.strip()
    debian.apt("satisfy", "--no-install-recommends", libraries)
    before = debian.files()
    install(debian, package())
    assert len(debian.files() - before) > 30
    debian.apt("purge", "lightningstream")
    # The group, whom files may belong to, stays as policy wants it; so do the copies of what listed users before.
    assert {line for line in debian.files() ^ before if not re.match(r"etc/(passwd|group|shadow|gshadow|subuid|subgid)-? ", line)} == set()
    assert debian.run("dpkg", "--list", "lightningstream", check=False).returncode == 1


def test_manual_completions_and_lintian(debian, logs):
    install(debian, package(), "man-db", "bash-completion", "lintian")
    page = debian.run("env", "LC_ALL=C.UTF-8", "MANWIDTH=100", "man", "--warnings=w", "lightningstream")
    assert page.stderr == ""
    for words in ("snapshots prune", "--wait-for-marker-file NAME", "EXIT STATUS", "LIGHTNINGSTREAM(1)"):
        assert words in page.stdout
    assert "- syncs LMDB databases between hosts" in debian.run("whatis", "lightningstream").stdout
    done = debian.run("bash", "-c", ". /usr/share/bash-completion/bash_completion; _completion_loader lightningstream; complete -p lightningstream",
                      check=False)
    assert "lightningstream" in done.stdout, done.stderr
    # Who builds for others names a maintainer (DEBEMAIL).
    checked = debian.run("lintian", "--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0", "--suppress-tags",
                         "bogus-mail-host,bogus-mail-host-in-debian-changelog", debian.put(package()), check=False, limit=300)
    (logs / "lintian.log").write_text(checked.stdout + checked.stderr)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_package_can_be_reproduced(tmp_path):
    epoch = package().read_bytes()[24:36].decode().strip()  # of the first file in the archive
    environment = os.environ | {"SOURCE_DATE_EPOCH": epoch, "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    done = run(["sh", "-c", 'umask 077; exec "$@"', "sh", ROOT / "scripts" / "build-deb", tmp_path], environment, limit=300)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / package().name).read_bytes() == package().read_bytes()


def test_make_install(tmp_path):
    def make():
        done = run(["make", "-C", ROOT, "-o", "build", "install", "PREFIX=/opt/ls", f"DESTDIR={tmp_path}"])
        assert done.returncode == 0, done.stderr
    make()
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files >= {
        "etc/lightningstream/lightningstream.yaml", "etc/default/lightningstream", "opt/ls/bin/lightningstream",
        "opt/ls/lib/systemd/system/lightningstream.service", "opt/ls/lib/systemd/system/lightningstream@.service",
        "opt/ls/lib/sysusers.d/lightningstream.conf", "opt/ls/lib/tmpfiles.d/lightningstream.conf",
        "opt/ls/share/man/man1/lightningstream.1.gz", "opt/ls/share/bash-completion/completions/lightningstream",
        "opt/ls/share/zsh/site-functions/_lightningstream", "opt/ls/share/fish/vendor_completions.d/lightningstream.fish",
        "opt/ls/share/doc/lightningstream/README.md", "opt/ls/share/doc/lightningstream/docs/packages.md"}
    assert run([tmp_path / "opt/ls/bin/lightningstream", "version"]).stdout.startswith("lightningstream ")
    assert gzip.decompress((tmp_path / "opt/ls/share/man/man1/lightningstream.1.gz").read_bytes()).startswith(b".TH")
    configuration = tmp_path / "etc/lightningstream/lightningstream.yaml"
    assert configuration.stat().st_mode & 0o777 == 0o640
    configuration.write_text("# changed\n")
    make()
    assert configuration.read_text() == "# changed\n"
