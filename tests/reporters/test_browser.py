"""The page in a real browser: what its DOM holds, that nothing runs, and what it looks like."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from backupcheck.reporters.html import TEMPLATES, Html
from backupcheck.result import Run
from tests.reporters import runs
from tests.reporters.markup import Page
from tests.reporters.picture import Picture, read_picture

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
HARMLESS = tuple(f"harmless {number}" for number in range(len(runs.HOSTILE)))
QUIET = ("gpu", "quic", "background-networking", "component-update", "sync", "extensions", "default-apps")
ATTACK = "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"
MEASURE = (
    "<script>const page = document.documentElement;"
    "document.title = `measured ${page.scrollWidth} of ${page.clientWidth}`</script>"
)

LABELS = (
    "<script>const labels = [...document.querySelectorAll('.compared dt')];"
    "const lines = labels.map(each => Math.round(each.getBoundingClientRect().height / 19.5));"
    "document.title = `labels ${Math.max(...lines)}`</script>"
)
SEEN = "<script>document.title = `seen ${document.querySelector('pre').checkVisibility()}`</script>"


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    """A headless browser with a profile of its own."""
    if not CHROMIUM:
        assert os.environ.get("CI") != "true", "Chromium is missing: apt-get install chromium"
        pytest.skip("Chromium is not installed")
    return Browser(tmp_path)


class Browser:
    """Opens one page a call, in a new process with a new profile, without network."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def dom(self, html: str, width: int = 1280) -> str:
        """The document as HTML after it was loaded and every script had its chance."""
        return self._open(html, "--dump-dom", "--virtual-time-budget=2000", f"--window-size={width},900")

    def picture(self, html: str, width: int, height: int, *, dark: bool = False) -> Picture:
        """What a person sees."""
        path = self._folder / "page.png"
        theme = ("--blink-settings=preferredColorScheme=0",) if dark else ()
        self._open(html, f"--screenshot={path}", "--hide-scrollbars", f"--window-size={width},{height}", *theme)
        return read_picture(path)

    def printed(self, html: str) -> Path:
        """The page as a PDF file."""
        path = self._folder / "page.pdf"
        self._open(html, f"--print-to-pdf={path}", "--no-pdf-header-footer")
        return path

    def _open(self, html: str, *arguments: str) -> str:
        page, profile = self._folder / "report.html", self._folder / "profile"
        page.write_text(html, encoding="utf-8")
        shutil.rmtree(profile, ignore_errors=True)
        switches = [f"--disable-{name}" for name in QUIET]
        done = subprocess.run(
            [CHROMIUM, "--headless", "--no-sandbox", "--no-first-run", "--force-device-scale-factor=1", *switches,
             f"--user-data-dir={profile}", "--host-resolver-rules=MAP * ~NOTFOUND", *arguments, page.as_uri()],
            capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout


def _token(name: str, after: str) -> str:
    css = (TEMPLATES / "report.css").read_text()
    found = re.search(rf"--{name}: (#[0-9a-f]{{6}})", css[css.index(after) :])
    assert found
    return found[1]


def _title(dom: str) -> str:
    found = re.search(r"<title>(.*?)</title>", dom, flags=re.DOTALL)
    return found[1] if found else ""


def test_the_document_has_its_headings_and_one_section_a_service(browser: Browser) -> None:
    dom = browser.dom(Html().render(runs.mixed()))
    headings = [
        " ".join(re.sub("<.*?>", " ", text).split())
        for text in re.findall(r"<h[12].*?>(.*?)</h[12]>", dom, re.DOTALL)
    ]

    assert headings == [
        "The backup of vault is bad.",
        "What to do",
        "Worth knowing",
        "The services",
        "lldap proven User directory",
        "authelia proven Single sign-on",
        "mealie not verified Recipes",
        "wishlist not verified Wish lists",
        "jellyfin proven Films and series",
        "caddy proven, warning Web server",
        "vault bad backup Notes (CouchDB)",
        "What this run did not show",
        "About this run",
    ]


def test_hostile_names_become_no_element_and_run_no_script(browser: Browser) -> None:
    benign = browser.dom(Html().render(runs.hostile(HARMLESS)))
    hostile = browser.dom(Html().render(runs.hostile()))

    assert Page(benign).elements == Page(hostile).elements
    assert _title(hostile).startswith("Not proven: site ")
    assert "&lt;img src=x onerror=alert(1)&gt;" in hostile


def test_a_script_that_slipped_through_the_escaping_would_not_run(browser: Browser) -> None:
    html = Html().render(runs.mixed()).replace("<main", f"{ATTACK}<main")
    unfenced = re.sub(r"<meta http-equiv=.*?>", "", html)

    assert _title(browser.dom(unfenced)) == "owned"
    assert _title(browser.dom(html)).startswith("Not proven: homelab")


@pytest.mark.parametrize(
    "run",
    [runs.healthy(), runs.mixed(), runs.hostile(), runs.empty(), runs.waived(), runs.worsened()],
    ids=["healthy", "mixed", "hostile", "empty", "waived", "worsened"],
)
@pytest.mark.parametrize("width", [1280, 500])
def test_nothing_sticks_out_of_the_window(browser: Browser, run: Run, width: int) -> None:
    html = re.sub(r"<meta http-equiv=.*?>", "", Html().render(run)).replace("</body>", f"{MEASURE}</body>")
    found = re.fullmatch(r"measured (\d+) of (\d+)", _title(browser.dom(html, width)))

    assert found
    assert int(found[1]) <= int(found[2])


@pytest.mark.parametrize("width", [900, 390])
@pytest.mark.parametrize(
    ("run", "theme"), [(runs.healthy(), ":root"), (runs.mixed(), ".run-fail"), (runs.silent(), ".run-error"),
     (runs.unmet(), ".run-policy")],
    ids=["healthy", "bad", "not-verified", "policy"],
)  # fmt: skip
def test_the_verdict_has_a_colour_of_its_own(browser: Browser, run: Run, theme: str, width: int) -> None:
    picture = browser.picture(Html().render(run), width, 700)

    assert (width, 700) == (picture.width, picture.height)
    assert 0.2 < picture.share(_token("mast", theme)) < 0.8
    assert picture.share(_token("paper", ":root")) > 0.1
    assert len(picture.colours) > 100


def test_what_is_bad_is_red_and_what_is_proven_green(browser: Browser) -> None:
    picture = browser.picture(Html().render(runs.mixed()), 1280, 1800)

    for state in ("pass", "fail", "error", "warn"):
        assert picture.share(_token(state, ":root")) > 0.00005, state


def test_what_is_waived_has_a_colour_of_its_own_below_a_proven_verdict(browser: Browser) -> None:
    picture = browser.picture(Html().render(runs.waived()), 1280, 1800)

    assert picture.share(_token("waived", ":root")) > 0.00005
    assert picture.share(_token("waived-wash", ":root")) > 0.01
    assert picture.share(_token("mast", ".run-waived")) > 0.1


def test_is_dark_where_the_reader_wants_it_dark(browser: Browser) -> None:
    picture = browser.picture(Html().render(runs.healthy()), 900, 900, dark=True)

    assert picture.share(_token("paper", "prefers-color-scheme: dark")) > 0.1
    assert picture.share(_token("mast", "prefers-color-scheme: dark")) > 0.2


def test_a_label_stays_on_one_line_beside_a_long_value(browser: Browser) -> None:
    told = {"expected": "0" * 90, "actual": "one long value after another " * 9}
    run = runs.mixed()
    finding = run.services[6].checks[-1].findings[0].model_copy(update=told)
    check = run.services[6].checks[-1].model_copy(update={"findings": (finding,)})
    one = runs.run_of((run.services[6].model_copy(update={"checks": (check,)}),))
    html = re.sub(r"<meta http-equiv=.*?>", "", Html().render(one)).replace("</body>", f"{LABELS}</body>")

    assert _title(browser.dom(html)) == "labels 1"


def test_can_be_printed(browser: Browser) -> None:
    path = browser.printed(Html().render(runs.mixed()))

    assert path.read_bytes().startswith(b"%PDF-")
    assert path.stat().st_size > 20_000


def test_draws_the_trends_under_its_content_security_policy(browser: Browser) -> None:
    html = Html().render(runs.met())
    charts = html[html.index('<section class="service ') :]
    top = html[: html.index("<header")] + charts
    picture = browser.picture(top, 1280, 900)

    assert picture.share(_token("step-1", ":root")) > 0.0005


def test_a_runbook_is_folded_until_it_is_opened(browser: Browser) -> None:
    html = re.sub(r"<meta http-equiv=.*?>", "", Html().render(runs.met()))
    measured = html.replace("</body>", f"{SEEN}</body>")
    opened = measured.replace('class="check runbook"', 'class="check runbook" open')

    assert _title(browser.dom(measured)) == "seen false"
    assert _title(browser.dom(opened)) == "seen true"
