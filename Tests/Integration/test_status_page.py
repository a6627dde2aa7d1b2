"""The status page in a browser."""

import json
import os
import re
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import pytest

from lab import reports
from lab.browser import Browser
from lab.paths import status_preview
from lab.powerdns import MAP_SIZE
from lab.process import Process, free_port
from lab.syncer import database
from lab.waiting import eventually

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    directory = tmp_path_factory.mktemp("browser")
    browser = Browser(directory / "profile", directory / "log")
    yield browser
    browser.end()


class Preview:
    """A server whose report the test writes."""

    def __init__(self, directory, log):
        self._file = directory / "report.json"
        self.show(reports.healthy())
        self.process = Process([status_preview(), self._file], log)
        self.process.wait_for_output("port ")
        self.url = f"http://127.0.0.1:{re.search(r'port ([0-9]+)', self.process.output())[1]}/"

    def show(self, report):
        """Shows this from now on."""
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(report))
        os.rename(new, self._file)


@pytest.fixture
def preview(tmp_path, logs):
    preview = Preview(tmp_path, logs / "preview.log")
    yield preview
    preview.process.kill()


@pytest.fixture
def page(browser):
    """A page; when the test is over, it must have asked nobody else, and its console must be empty."""
    page = browser.page()
    page.show(1280)
    yield page
    browser.listen()
    assert page.complaints == []
    assert {urlsplit(url).hostname for url in page.requests if not url.startswith("data:")} <= {"127.0.0.1"}


def values(page, selector):
    """The exact values that are shown below an element, in order."""
    return page.evaluate(f"[...document.querySelectorAll('{selector} data')].map(one => Number(one.value))")


def rows(page, caption, database=None):
    """The texts of a table, of a database or of all of them: a dict by its columns for each row."""
    return page.evaluate(f"""(() => {{
        const card = {json.dumps(database)} === null ? document.querySelector('main')
            : document.querySelectorAll('main > section[aria-label^="Database "]')[{json.dumps(database)}];
        const table = [...card.querySelectorAll('table')].find(one => one.caption.textContent === {json.dumps(caption)});
        const names = [...table.tHead.rows[0].cells].map(one => one.textContent);
        return [...table.tBodies[0].rows].map(row =>
            Object.fromEntries([...row.cells].map((cell, index) => [names[index], cell.textContent.trim()])));
    }})()""")


def test_numbers_are_those_of_the_report(page, preview):
    page.open(preview.url)
    report = page.evaluate("fetch('status.json').then(answer => answer.json())")
    assert report == reports.healthy()
    for number, database in enumerate(report["databases"]):
        lmdb = database["lmdb"]
        card = f"section[data-key={database['name']}]"
        assert values(page, f"{card} .facts") == [
            lmdb["map_size"] - lmdb["used_bytes"], lmdb["used_bytes"], lmdb["map_size"], lmdb["dbi_bytes"],
            lmdb["file_size"], lmdb["last_transaction"], lmdb["readers"], lmdb["maximum_readers"],
            database["storage"]["snapshots"], database["storage"]["bytes"], database["sent"]["size"]]
        for shown, dbi in zip(rows(page, "DBIs", number), lmdb["dbis"], strict=True):
            assert shown["DBI"] == dbi["name"]
            assert shown["Entries"] == f"{dbi['entries']:,}"
            assert shown["Depth"] == str(dbi["depth"])
            pages = [dbi["branch_pages"], dbi["leaf_pages"], dbi["overflow_pages"]]
            assert shown["Pages: branch / leaf / overflow"] == " / ".join(f"{count:,}" for count in pages)
            assert shown["Flags"] == ("none" if dbi["flags"] == "0" else dbi["flags"])
        for shown, activity in zip(
                rows(page, "Recent merges and sends", number), database["activities"], strict=True):
            assert shown["Entries"] == f"{activity['entries']:,}"
            assert shown["Changed here"] == (f"{activity['changed']:,}" if activity["kind"] == "merge" else "–")
        drawn = page.evaluate(f"document.querySelectorAll('{card} svg.merges rect').length")
        assert drawn == sum(minute["merges"] > 0 for minute in database["history"])


def test_one_table_has_all_instances(page, preview):
    page.open(preview.url)
    shown = {row["Instance"].split()[0]: row for row in rows(page, "Instances")}
    names = [instance["name"] for instance in reports.healthy()["databases"][0]["instances"]]
    assert sorted(shown) == sorted(names)
    for instance in reports.healthy()["databases"][0]["instances"]:
        if latency := instance.get("latency"):
            assert shown[instance["name"]]["Latency"] == (
                f"{latency * 1000:.0f} ms" if latency < 1 else f"{latency:.1f} s")
    # Twenty hosts are twenty rows, however many databases there are, and each of a line or two.
    preview.show(reports.twenty())
    page.open(preview.url)
    assert len(rows(page, "Instances")) == 20
    assert page.evaluate("document.querySelectorAll('section[data-key=instances] table').length") == 1
    heights = page.evaluate(
        "[...document.querySelectorAll('section[data-key=instances] tbody tr')].map(one => one.offsetHeight)")
    assert max(heights) <= 64, heights
    # Of its databases the one that is behind is named.
    behind = {row["Instance"]: row for row in rows(page, "Instances")}["ns7"]
    assert behind["Has ours"] == "an older one shard" and behind["Lag"] == "2 min"


def test_zones(page, preview):
    page.open(preview.url)
    zones = reports.healthy()["zones"]
    assert page.text("#zones") == f"{zones['count']:,} zones"
    assert [row["Zone"] for row in rows(page, "Changed last")] == [zone["name"] for zone in zones["changed"]]
    assert rows(page, "Changed last")[0]["By"] == zones["changed"][0]["instance"]
    status, kind, text = get(preview.url + "zone?name=example.org")
    zone = json.loads(text)
    assert (status, kind) == (200, "application/json; charset=utf-8") and zone["serial"] == 2026112101
    assert get(preview.url + "zone")[0] == 400
    assert get(preview.url + "zone?name=nothing.example")[0] == 404
    # The search box needs no script; the page that comes of it updates like any other.
    for scripts in (False, True):
        page.show(390, scripts=scripts)
        page.open(preview.url)
        page.open(preview.url + "?zone=example.org") if not scripts else page.evaluate(
            "document.getElementById('zone').value = 'example.org'; document.querySelector('.search button').click()")
        eventually("it is shown", lambda: "2026112101" in page.text("section[data-key=zones]"))
        shown = page.text("section[data-key=zones]")
        assert "not yet: ns3-fra" in shown and "unknown: old-release" in shown
    page.open(preview.url + "?zone=%3Cscript%3Enothing")
    assert "<script>nothing: there is no such zone" in page.text("section[data-key=zones]")


def test_what_lags_is_seen(page, preview):
    preview.show(reports.lagging())
    page.open(preview.url)
    assert page.text(".health h2").split()[-1] == "Warning"
    assert "41.6 s ahead of ours" in page.text(".health")
    shown = next(row for row in rows(page, "Instances") if row["Instance"] == "ns3-fra")
    assert (shown["Lag"], shown["Clock"], shown["Has ours"]) == ("5 min", "41.6 s ahead", "an older one shard")


def test_what_fails_comes_first(page, preview):
    report = reports.failing()
    preview.show(report)
    page.open(preview.url)
    sections = page.evaluate("[...document.querySelectorAll('main > section')].map(one => one.innerText)")
    for check, text in report["health"]["failures"].items():
        assert check in sections[0] and text in sections[0]
    assert sections[0].index("cannot resolve host") < sections[0].index("41.6 s")
    assert "run `lightningstream resync main`" in page.text("section[data-key=main]")
    assert "1,263 times" in sections[-1]
    assert page.evaluate("document.title").startswith("Failing · ns1")


def test_updates_by_itself(page, preview):
    """What changes is changed in place: nothing is loaded again, and what is unfolded or focused stays so."""
    page.open(preview.url)
    page.evaluate("""document.querySelector('details').open = true;
        document.querySelectorAll('summary')[1].focus();
        window.before = document.querySelector('section[data-key=shard]')""")
    report = reports.failing()
    report["databases"][1]["lmdb"]["last_transaction"] = 4_242_424
    report["databases"][1]["instances"].insert(1, reports.instance("shard", "an-new-one", 3, has=None, health=None))
    report["databases"][0]["instances"].pop(1)
    preview.show(report)
    eventually("the change is shown", lambda: "4,242,424" in page.text())
    assert [row["Instance"].split()[0] for row in rows(page, "Instances")] == [
        "an-new-one", "ns1", "ns2", "ns3-fra", "old-release"]
    assert page.evaluate("window.before === document.querySelector('section[data-key=shard]')")
    assert page.evaluate("document.querySelector('details').open")
    assert page.evaluate("document.activeElement === document.querySelectorAll('summary')[1]")
    assert page.evaluate("document.title").startswith("Failing")
    # What is there after many changes is what a new page shows.
    now = page.evaluate("document.getElementById('view').innerText.replace('Live, last at', 'As of')")
    page.show(1280, scripts=False)
    page.open(preview.url + "?anew")
    page.show(1280)
    page.evaluate("document.querySelector('details').open = true")
    assert page.text("#view") == now


def test_says_when_the_daemon_is_gone(browser, preview):
    page = browser.page()
    page.show(1280)
    page.open(preview.url)
    assert page.text(".live").startswith("Live, last at 03:12:45")
    assert not page.evaluate("document.getElementById('lost').checkVisibility()")
    preview.process.kill()
    eventually("it says so", lambda: "No answer from the daemon" in page.text("#lost")
               and page.evaluate("document.getElementById('lost').checkVisibility()"))
    assert page.text(".live").startswith("Not live")
    assert "184,467" in page.text()


def test_works_without_script(page, preview):
    page.show(390, scripts=False)
    preview.show(reports.failing())
    page.open(preview.url)
    assert "184,467" in page.text() and "cannot resolve host" in page.text()
    assert page.text(".live").startswith("As of 03:12:45")
    assert page.evaluate("document.querySelector('noscript').textContent.includes('refresh')") or page.evaluate(
        "!!document.querySelector('meta[http-equiv=refresh]')")


def test_hostile_names_are_text(page, preview):
    """First as the server writes them, then as the script puts them into the page."""
    preview.show(reports.hostile())
    page.open(preview.url)
    shown = reports.HOSTILE.replace("\u202e", ".").replace("\u0007", ".").replace("\n", ".")

    def check():
        assert page.text("h1") == shown
        assert shown in page.text(".checks") and shown in page.text(".problems")
        assert shown in [row["DBI"] for row in rows(page, "DBIs", 0)]
        assert shown in [row["Instance"] for row in rows(page, "Instances")]
        assert page.evaluate("document.querySelectorAll('script, img, style').length") == 2
        return True

    check()
    preview.show(reports.healthy())
    page.open(preview.url)
    preview.show(reports.hostile())
    eventually("the script has put it in", check)


@pytest.mark.parametrize("state", ["healthy", "failing", "starting", "hostile", "huge", "twenty"])
@pytest.mark.parametrize("width", [320, 360, 800, 1280])
def test_nothing_is_wider_than_the_screen(page, preview, state, width):
    preview.show(getattr(reports, state)())
    page.show(width)
    page.open(preview.url)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


# The contrast of all text with what is behind it (WCAG 2.2, 1.4.3), and of bars with theirs (1.4.11).
CONTRAST = """(() => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
    const parts = colour => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const luminance = colour => {
        const [red, green, blue] = parts(colour).slice(0, 3).map(one => one / 255).map(
            one => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const ratio = (one, other) => {
        const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    };
    const behind = element => {
        for (let one = element; one; one = one.parentElement) {
            const colour = getComputedStyle(one).backgroundColor;
            if (parts(colour)[3] === 255) return colour;
        }
        return 'transparent';
    };
    const found = [];
    for (const element of document.querySelectorAll('body *')) {
        const own = [...element.childNodes].some(one => one.nodeType === 3 && one.nodeValue.trim());
        if (!own || !element.checkVisibility() || element.closest('script, style, svg')) continue;
        found.push([ratio(getComputedStyle(element).color, behind(element)), element.tagName + ' ' + element.textContent]);
    }
    for (const bar of document.querySelectorAll('.history rect, .bar .used')) {
        const ground = bar.matches('.used') ? getComputedStyle(bar.previousElementSibling).fill : behind(bar);
        found.push([ratio(getComputedStyle(bar).fill, ground) * 1.5, 'bar']);
    }
    return found;
})()"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("state", ["healthy", "lagging", "failing", "starting"])
def test_contrast(page, preview, state, dark):
    preview.show(getattr(reports, state)())
    page.show(1280, dark=dark)
    page.open(preview.url)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    found = page.evaluate(CONTRAST)
    assert len(found) > 40
    assert [(round(ratio, 2), what) for ratio, what in found if ratio < 4.5] == []
    # It is really the scheme that was asked for.
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"[0-9]+", ground))) < 200) == dark


def test_keyboard_and_screen_readers(page, preview):
    page.show(390)
    preview.show(reports.failing())
    page.open(preview.url)
    # Narrow tables are laid out as cards, and are tables all the same.
    tree = page.call("Accessibility.getFullAXTree")["nodes"]
    roles = [node["role"]["value"] for node in tree if not node["ignored"]]
    assert roles.count("table") >= 2
    assert roles.count("columnheader") >= 12
    assert roles.count("rowheader") >= 8
    assert {"main", "banner", "contentinfo", "navigation", "heading", "image"} <= set(roles)
    # Everything that can be unfolded or followed is reached by the tabulator key, and no other thing.
    reached = page.evaluate("[...document.querySelectorAll('summary, a, input, button')].length")
    assert reached == page.evaluate("[...document.querySelectorAll('*')].filter(one => one.tabIndex >= 0).length")
    for key in ("keyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", type=key, key="Tab", code="Tab", windowsVirtualKeyCode=9)
    assert page.evaluate("document.activeElement.tagName") == "INPUT"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def get(url, method="GET"):
    """Status, content type and text of an answer."""
    request = urllib.request.Request(url, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers["Content-Type"], answer.read().decode()


def is_up(url):
    try:
        return get(url + "healthz")[0] == 200
    except urllib.error.URLError:
        return False


def test_daemons_with_powerdns(page, powerdns, lightningstream, directory):
    """What two daemons show of what PowerDNS does."""
    servers = powerdns("a").start(), powerdns("b").start()
    urls, syncers = [], []
    for server in servers:
        address = f"127.0.0.1:{free_port()}"
        urls.append(f"http://{address}/")
        options = {"create": True, "file_mask": "0600", "map_size": MAP_SIZE}
        databases = {"main": database(server.main, **options), "shard": database(server.shard, **options)}
        syncers.append(lightningstream(server.name, databases, directory.storage(), http={"address": address}).start())
    eventually("both are up", lambda: all(is_up(url) for url in urls))
    servers[0].util("create-zone", "example.org", "ns1.example.org")

    def merged():
        report = json.loads(get(urls[1] + "status.json")[2])
        for one in report["databases"]:
            other = next((found for found in one["instances"] if found["name"] == "a"), {})
            assert other.get("lag") == 0 and other["merged"]["name"] == other["newest"]["name"]
        assert {dbi["name"]: dbi["entries"] for dbi in report["databases"][0]["lmdb"]["dbis"]}["domains_v5"] == 1
        return report

    eventually("b has what a made", merged)
    page.open(urls[1])
    assert page.text("h1") == "b"
    shown = {row["Instance"].removesuffix(" this one"): row for row in rows(page, "Instances")}
    assert shown["a"]["Merged here"].startswith("newest")
    for name in "main", "shard":
        assert page.text(f"section[data-key={name}] .path") == str(servers[1].main if name == "main" else servers[1].shard)
    # A change on the other side arrives on the page by itself, and what is shown is what the endpoint tells.
    servers[0].util("add-record", "example.org", "www", "A", "300", "192.0.2.80")

    def same():
        report = json.loads(get(urls[1] + "status.json")[2])
        entries = {one["name"]: one["entries"] for one in report["databases"][1]["lmdb"]["dbis"]}
        shown = {row["DBI"]: int(row["Entries"].replace(",", "")) for row in rows(page, "DBIs", 1)}
        assert shown == entries and sum(entries.values()) >= 3
        assert any(row["What"] == "merged a delta" for row in rows(page, "Recent merges and sends", 1))
        return True

    eventually("the page shows the change", same)

    def told(url, has):
        zones = json.loads(get(url + "status.json")[2])["zones"]
        assert zones["count"] == 1
        assert [(one["name"], one["instance"]) for one in zones["changed"]] == [("example.org.", "a")]
        status, _, text = get(url + "zone?name=EXAMPLE.org")
        zone = json.loads(text)
        assert status == 200 and zone["kind"] and zone["name"].lower() == "example.org."
        assert {one["name"]: one.get("has_it") for one in zone["instances"]} == has, zone
        return zone

    zone = eventually("both know who has the zone", lambda: told(urls[0], {"a": True, "b": True}))
    assert eventually("b too", lambda: told(urls[1], {"a": True, "b": True}))["serial"] == zone["serial"]
    # SOA, NS and the address.
    assert zone["rrsets"] == 3 and str(zone["serial"]) in " ".join(servers[0].answer("example.org.", "SOA")[1])
    assert get(urls[0] + "zone?name=example.net")[0] == 404
    # A change that nobody else has: b does not run.
    syncers[1].stop()
    servers[0].util("add-record", "example.org", "www2", "A", "300", "192.0.2.81")
    eventually("only a has it", lambda: told(urls[0], {"a": True, "b": False}))
    syncers[1].start()
    eventually("b has it again", lambda: told(urls[0], {"a": True, "b": True}))

    assert get(urls[0] + "healthz")[:2] == (200, "application/json; charset=utf-8")
    status, kind, text = get(urls[0] + "metrics")
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8") and "lmdb_mapsize_bytes" in text
    status, _, text = get(urls[0] + "storage")
    names = {line.split("\t")[0] for line in text.splitlines()}
    assert status == 200 and any(name.startswith("shard__a__") for name in names)
    assert get(urls[0], "POST")[0] == 405
    for syncer in syncers:
        syncer.stop()


def test_port_in_use(lightningstream, fixture_lmdbs, directory, preview):
    """Syncing goes on, the log says what to do, and who answers there is not taken for the daemon."""
    main, _ = fixture_lmdbs("pdns-4.9")
    address = urlsplit(preview.url).netloc
    syncer = lightningstream("ours", {"main": database(main)}, directory.storage(), http={"address": address}).start()
    eventually("it syncs", lambda: any(name.endswith(".pb.gz") for name in directory.names()))
    done = syncer.run("status", "--json")
    assert done.returncode == 1
    assert "is not from the daemon that syncs this LMDB" in json.loads(done.stdout)["health"]["failures"]["daemon"]
    second = syncer.run("sync", "--instance", "other")
    assert second.returncode == 1 and f"already syncs {main}" in second.stderr
    syncer.stop()
    log = syncer.log.read_text()
    assert f"cannot listen on {address} (http.address): Address already in use" in log and "ss -ltnp" in log
