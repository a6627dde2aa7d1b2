"""What has to be the same wherever it is said: the version, and the dependencies of two builds."""

import re
import subprocess

import pytest

from lab.markdown import PAGES
from lab.paths import ROOT, lightningstream
from lab.process import run

VERSION = re.search(
    r'^package let programVersion = "(\d+\.\d+\.\d+(?:-\w+)?)"$',
    (ROOT / "Sources/Daemon/Version.swift").read_text(), re.MULTILINE)[1]


def test_program_image_and_pages_have_one_version():
    assert run([lightningstream(), "version"]).stdout == f"lightningstream {VERSION}\n"
    assert re.findall(r"^ARG VERSION=(.*)$", (ROOT / "deploy/Dockerfile").read_text(), re.MULTILINE) == [VERSION]
    shown = {}
    for page in PAGES:
        # The changelog is about all versions, and one page is about packages of versions to come.
        if page.name not in ("CHANGELOG.md", "CONTRIBUTING.md"):
            text = page.read_text()
            shown[page.name] = re.findall(r'lightningstream (\d+\.\d+\.\d+[-\w]*)', text) + re.findall(
                r'"version": ?"(\d[^"]*)"', text)
    assert sum(map(len, shown.values())) >= 3
    assert {page: versions for page, versions in shown.items() if set(versions) - {VERSION}} == {}


def test_the_package_has_the_version_of_the_program():
    """The script is asked, not a package that may be of yesterday."""
    script = (ROOT / "scripts/build-deb").read_text()
    lines = re.findall(r"^(?:version|maintainer)=.*$", script, re.MULTILINE)
    done = run(["bash", "-euc", "\n".join(['cd "$0"', *lines, 'printf "%s\\n" "$version" "$maintainer"']), ROOT])
    version, maintainer = done.stdout.splitlines()
    assert version == VERSION.replace("-", "~") + "-1"
    assert re.fullmatch(r"[\w ]+ <[\w.-]+@[\w-]+(\.[\w-]+)+>", maintainer), "an address has a domain"


# MARK: dependencies

MANIFEST = (ROOT / "Package.swift").read_text()


def pinned():
    """{package: version}; whatever is not one version is None."""
    return {
        url.rsplit("/", 1)[1]: (re.search(r'exact: "([\d.]+)"', rest) or [None, None])[1]
        for url, rest in re.findall(r'\.package\(url: "([^"]+)"(.*)\)', MANIFEST)}


def test_each_dependency_is_of_one_version():
    assert len(pinned()) > 6
    assert [name for name, version in pinned().items() if not version] == []


def test_what_is_linked_is_pinned():
    """A package that others bring would be of another version in a month."""
    linked = ROOT / ".build/debug/lightningstream.product/Objects.LinkFileList"
    if not linked.exists():
        pytest.skip("there is no debug build")
    modules = set(re.findall(r"/(\w+)\.build/", linked.read_text()))
    packages = {}
    for checkout in (ROOT / ".build/checkouts").iterdir():
        for sources in checkout.glob("Sources/*"):
            packages.setdefault(sources.name, checkout.name)
    ours = {path.name for path in (ROOT / "Sources").iterdir()}
    found = {packages[module] for module in modules - ours if module in packages}
    assert {"swift-nio", "hummingbird", "swift-atomics"} <= found
    assert found - set(pinned()) == set()
    # What lies there is what is named.
    for name in found:
        tags = subprocess.run(
            ["git", "-C", ROOT / ".build/checkouts" / name, "tag", "--points-at", "HEAD"], text=True, capture_output=True)
        assert pinned()[name] in tags.stdout.split(), name
