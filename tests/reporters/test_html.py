"""The page: its words, its states, its escaping, its fence, and that it can be read by everybody."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from itertools import pairwise

import pytest

from backupcheck.reporters.html import (
    MOST_GROUPS,
    MOST_IN_STRIP,
    MOST_PASSING,
    MOST_ROWS,
    TEMPLATES,
    Html,
    _prose,
    _sentence,
)
from backupcheck.result import Finding, Outcome, Proof, check_result
from tests.reporters import homelab, runs
from tests.reporters.goldens import golden
from tests.reporters.markup import Page
from tests.reporters.runs import SAMPLES

HARMLESS = tuple(f"harmless {number}" for number in range(len(runs.HOSTILE)))


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_page_is_as_it_was_approved(sample: str) -> None:
    expected, actual = golden(Html(), sample)

    assert expected == actual


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_same_run_gives_the_same_bytes(sample: str) -> None:
    assert Html().render(SAMPLES[sample]) == Html().render(SAMPLES[sample].model_copy(deep=True))


@pytest.mark.parametrize(
    ("sample", "word", "sentence"),
    [
        ("healthy", "Proven", "All 7 services would come back from their backups."),
        ("mixed", "Not proven", "The backup of vault is bad."),
        ("waived", "Proven, with a waiver", "All 7 services would come back from their backups, 2 with a waiver."),
        ("lapsed", "Not proven", "The backups of lldap and wishlist are bad."),
        ("empty", "Not proven", "Nothing was checked."),
        ("silent", "Not proven", "lldap, wishlist and caddy could not be verified."),
        ("interrupted", "Not proven", "The run was interrupted."),
        ("met", "Proven", "All 7 services would come back from their backups."),
        ("unmet", "Proven, but a policy is not met", "All 7 services would come back from their backups."),
        (
            "unlooked",
            "Proven, but a policy could not be looked at",
            "All 7 services would come back from their backups.",
        ),
        ("worsened", "Not proven", "The backup of vault is bad."),
        (
            "partial",
            "Proven in part, but a policy is not met",
            "2 of 7 services were asked: they would come back from their backups.",
        ),
    ],
)
def test_says_first_whether_it_is_proven(sample: str, word: str, sentence: str) -> None:
    html = Html().render(SAMPLES[sample])

    assert f"{word}</p>\n  <h1>{sentence}</h1>" in html


def test_names_the_trouble_before_the_services_with_all_that_is_known_of_it() -> None:
    text = Page(Html().render(runs.mixed())).text
    todo = text[text.index("What to do") : text.index("Worth knowing")]

    assert (
        "fail vault couchdb.shard-missing the database's map of shards names a file that was not restored "
        "/opt/couchdb/data/shards/00000000-1fffffff/obsidian.1718035200.couch Expected present Actual missing "
        "And 2 more of the same kind, listed under the service . "
        "Do this look for the file at the source, pull again, and drill vault once more" in todo
    )
    assert todo.index("fail vault") < todo.index("error mealie") < todo.index("error wishlist")


def test_tells_the_states_apart_by_word_and_by_shape() -> None:
    html = Html().render(runs.mixed())
    tile = r'<a class="(\w+)" href="#service-\d+">.*?#mark-(\w+)".*?<b>{}</b> <span>(.*?)<'
    service = {name: re.search(tile.format(name), html) for name in ("lldap", "mealie", "caddy", "vault")}
    said = {name: found.groups() for name, found in service.items() if found}

    assert said == {
        "lldap": ("pass", "pass", "proven"),
        "mealie": ("error", "error", "not verified"),
        "caddy": ("warn", "warn", "proven, warning"),
        "vault": ("fail", "fail", "bad backup"),
    }


def test_lists_every_waiver_with_its_owner_its_end_and_what_became_of_it() -> None:
    text = Page(Html().render(runs.waived())).text
    waivers = text[text.index("Waivers") : text.index("The services")]

    assert waivers == (
        "Waivers used lldap secret.mode the container's umask is wrong until the image of April is out "
        "/etc/lldap/* Check secret /etc/lldap/private_key Owner Ann Example Until 2026-03-31 "
        "In this run waives 1 finding "
        "unused lldap secret.missing the old key goes in April /etc/lldap/private_key "
        "Check secret /etc/lldap/private_key Owner Ben Example Until 2026-03-31 In this run matched nothing "
        "ended authelia secret.mode mended in April /etc/lldap/private_key "
        "Check seal Owner Cay Example Until 2026-03-13 In this run ended "
        "used wishlist references.file-missing mended in April /opt/wishlist/uploads/* "
        "Check references items Owner Dee Example Until 2026-03-19 In this run waives 2 findings, 3 at most "
    )


def test_says_at_the_top_which_waivers_end_soon_or_are_not_needed() -> None:
    text = Page(Html().render(runs.waived())).text
    known = text[text.index("Worth knowing") : text.index("Waivers")]

    assert "the waiver of Dee Example ends in 5 days (2026-03-19, UTC), and then what it waives is red" in known
    assert "the waiver of Ben Example matched nothing that is bad" in known
    assert "the waiver of Cay Example ended on 2026-03-13, and what it names is not bad" in known


def test_what_is_waived_has_a_word_and_a_shape_of_its_own_and_is_no_trouble() -> None:
    html = Html().render(runs.waived())

    assert (
        '<a class="waived" href="#service-1"><svg class="mark" aria-hidden="true"><use href="#mark-waived"/>'
        in html
    )
    assert "<span>proven, waiver</span>" in html
    assert '<details class="check waived" open>' in html
    assert '<body class="run-waived">' in html
    assert "What to do" not in html


def test_says_why_what_is_bad_is_required_and_whose_waiver_ended() -> None:
    text = Page(Html().render(runs.lapsed())).text
    todo, waivers = text[text.index("What to do") :].split("Waivers")

    assert "every user can read the secret; the waiver of Ann Example ended on 2026-03-13" in todo
    assert "Why it is required: whoever reads this key can log in as everybody" in todo
    assert "a row refers to a file that was not restored; the waiver of Dee Example is for 1 at most" in todo
    assert "In this run ended, 1 finding is bad again" in waivers
    assert "In this run is for 1 at most, 2 findings are bad" in waivers
    assert "In this run its check gave no answer" in waivers


def test_every_state_has_a_shape_of_its_own() -> None:
    html = Html().render(runs.healthy())
    shapes = re.findall(r'<symbol id="mark-(\w+)".*?>(.*?)</symbol>', html)

    assert {outcome.value for outcome in Outcome} == {name for name, _ in shapes}
    assert len(Outcome) == len({shape for _, shape in shapes})


def test_folds_what_passed_and_opens_everything_else() -> None:
    page = Page(Html().render(runs.mixed()))
    checks = [check for _, check in page.attributes if str(check.get("class")).startswith("check ")]

    assert {str(check["class"]): "open" in check for check in checks} == {
        "check pass": False,
        "check fail": True,
        "check error": True,
        "check warn": True,
        "check skip": True,
    }


def test_shows_what_was_not_exercised() -> None:
    assert (
        "What this run did not show The CouchDB server itself was not started"
        in Page(Html().render(runs.healthy())).text
    )


@pytest.mark.parametrize("sample", [name for name, run in SAMPLES.items() if run.exit_status])
def test_a_red_run_never_looks_green(sample: str) -> None:
    html = Html().render(SAMPLES[sample])

    assert '<h2 id="todo">What to do</h2>' in html
    assert re.search(r'<body class="run-(fail|error|policy)">', html)


def test_no_name_becomes_an_element_or_an_attribute() -> None:
    benign = Page(Html().render(runs.hostile(HARMLESS)))
    hostile = Page(Html().render(runs.hostile()))

    assert benign.elements == hostile.elements


def test_every_character_of_a_name_is_printable_in_the_page() -> None:
    html = Html().render(runs.hostile())

    assert "".join(letter for letter in html if not letter.isprintable() and letter != "\n") == ""
    assert "a\\nERROR forged b\\r\\nc" in html
    assert "abc\\u202egpj.exe" in html
    assert html.encode("utf-8")


def test_the_policy_allows_its_own_style_by_hash_and_nothing_else() -> None:
    html = Html().render(runs.hostile())
    styles = re.findall(r"<style>(.*?)</style>", html, flags=re.DOTALL)
    policy = Page(html).having("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]
    digest = b64encode(sha256(styles[0].encode()).digest()).decode()

    assert len(styles) == 1
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )


def test_needs_no_script_and_no_other_file() -> None:
    page = Page(Html().render(runs.mixed()))
    css = (TEMPLATES / "report.css").read_text()
    links = [value for _, found in page.attributes for name, value in found.items() if name in ("href", "src")]

    assert not {"script", "iframe", "object", "img", "form"} & {tag for tag, _ in page.elements}
    assert not [
        names for _, names in page.elements if any(name.startswith("on") or name == "style" for name in names)
    ]
    assert all(str(link).startswith(("#", "data:image/svg+xml,")) for link in links)
    assert "url(" not in css
    assert "@import" not in css


def test_every_link_leads_to_an_element() -> None:
    page = Page(Html().render(runs.mixed()))
    places = [str(found["id"]) for _, found in page.attributes if "id" in found]

    assert len(places) == len(set(places))
    assert {str(link["href"])[1:] for link in page.having("a")} <= set(places)


def test_can_be_read_by_a_screen_reader() -> None:
    html = Html().render(runs.mixed())
    page = Page(html)
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]

    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all("scope" in found for found in page.having("th"))
    assert all(found.get("aria-hidden") == "true" for found in page.having("svg"))
    assert page.having("html", lang="en")


def _colours(css: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", css))


def _luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2, section "relative luminance"."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_has_contrast_enough_in_both_themes(theme: str) -> None:
    css = (TEMPLATES / "report.css").read_text()
    light, dark = css.split("@media (prefers-color-scheme: dark)")[:2]
    dark = dark[: dark.index("* {")]
    part = light if theme == "light" else dark
    colours = _colours(light.split(".run-fail")[0]) | (
        _colours(dark.split(".run-fail")[0]) if theme == "dark" else {}
    )
    masts = re.findall(r"--mast: (#[0-9a-f]{6})", part)
    pairs = [
        (ink, paper)
        for ink in ("ink", "quiet", "pass", "fail", "error", "warn", "waived", "skip")
        for paper in ("paper", "raised")
    ]
    washed = ("fail", "error", "warn", "waived")
    pairs += [(ink, f"{state}-wash") for ink in ("ink", "quiet") for state in washed]
    pairs += [(state, f"{state}-wash") for state in washed]
    weak = [pair for pair in pairs if _contrast(colours[pair[0]], colours[pair[1]]) < 4.5]
    weak += [("mast-ink", mast) for mast in masts if _contrast(colours["mast-ink"], mast) < 7]

    assert not weak


def _of_many(count: int, ids: int) -> Proof:
    findings = [
        Finding(
            id=f"files.missing-{number % ids}", outcome=Outcome.FAIL, subject=f"/{number}", message="it is missing"
        )
        for number in range(count)
    ]
    return homelab.services()["vault"].model_copy(update={"checks": (check_result("files", "files /", findings),)})


def test_ten_thousand_missing_files_do_not_make_it_unreadable() -> None:
    html = Html().render(runs.run_of((_of_many(10_000, ids=1),)))

    assert "And 9,999 more of the same kind" in html
    assert f"{10_000 - MOST_ROWS[Outcome.FAIL]:,} more findings are in run.json." in html
    assert len(html) < 300_000


def test_of_a_thousand_services_only_what_passed_is_left_out() -> None:
    passed = Finding(id="files.present", outcome=Outcome.PASS, subject="/srv", message="it is there")
    lost = passed.model_copy(update={"outcome": Outcome.FAIL, "subject": "/lost", "message": "it is missing"})
    vault = homelab.services()["vault"]
    proofs = tuple(
        vault.model_copy(
            update={
                "service": f"vault-{number}",
                "checks": (check_result("files", "files /", [passed] * 50 + [lost] * (number == 700)),),
            }
        )
        for number in range(1000)
    )

    html = Html().render(runs.run_of(proofs))

    assert html.count('<tr role="row" class="pass">') == MOST_PASSING
    assert html.count('<tr role="row" class="fail">') == 1
    assert "45 more findings are in run.json." in html
    assert re.findall(r'<li><a class="(fail|pass)"', html) == ["fail"] + ["pass"] * (MOST_IN_STRIP - 1)
    assert '<a href="#overview"><b>952 more</b>' in html
    assert 'id="overview"' in html
    assert 'id="service-701"' in html
    assert len(html) < 8_000_000


def test_where_nothing_that_passed_is_shown_a_check_says_how_much_that_was() -> None:
    passed = Finding(id="files.present", outcome=Outcome.PASS, subject="/srv", message="it is there")
    checks = tuple(check_result("files", f"files /{number}", [passed] * 2) for number in range(6000))
    vault = homelab.services()["vault"].model_copy(update={"checks": checks})

    html = Html().render(runs.run_of((vault,)))

    assert html.count("2 findings that passed are in run.json.") == 6000


def test_folds_troubles_beyond_the_first_dozen_and_counts_them() -> None:
    html = Html().render(runs.run_of((_of_many(30, ids=30),)))

    assert f"<details><summary>{30 - MOST_GROUPS} more</summary>" in html
    assert html.count('<li class="trouble fail">') == 30


def test_a_policy_that_is_not_met_is_no_bad_backup() -> None:
    html = Html().render(runs.unmet())
    page = Page(html)
    todo = page.text[page.text.index("What to do") : page.text.index("Worth knowing")]

    assert '<body class="run-policy">' in html
    assert "The policies retention and rpo are not met." in page.text
    assert "not met the site retention.gap a week has no snapshot" in todo
    assert "not met mealie rpo.too-old the data is too old" in todo
    assert "Exit status 4 a policy is not met" in page.text


def test_a_policy_that_could_not_be_looked_at_is_neither_met_nor_not_met() -> None:
    html = Html().render(runs.unlooked())
    policies = Page(html).text.split("The policies", 1)[1].split("The services")[0]

    assert '<body class="run-error">' in html
    assert "could not look retention of the site" in policies
    assert "not judged rpo of mealie" in policies
    assert "not met" not in policies


def test_lists_every_policy_the_worst_first_with_what_was_expected_and_what_is() -> None:
    html = Html().render(runs.unmet())
    page = Page(html)
    summaries = re.findall(r"<summary><span class=\"word \w+\">.*?</svg>([^<]+)</span><b>(\w+ of [^<]+)</b>", html)
    policies = page.text.split("The policies")[-1].split("The services")[0]

    assert summaries == [
        ("not met", "retention of the site"),
        ("not met", "rpo of mealie"),
        ("met, warning", "copies of the site"),
        ("met", "rpo of the site"),
        ("met", "rto of the site"),
    ]
    assert "at most 1d2h 3d4h, from 2026-03-10 23:14 UTC" in policies


def _matrix(html: str) -> dict[str, list[str]]:
    """The words of each row of the matrix."""
    table = html.split('<table class="matrix">')[1].split("</table>")[0]
    rows = re.findall(r'<tr><th scope="row">(.*?)</tr>', table, flags=re.DOTALL)
    return {
        re.sub("<.*?>", "", row.split("</th>")[0]): re.findall(r'<span class="unseen">(.*?)</span>', row)
        for row in rows
    }


def test_the_matrix_says_what_each_service_was_asked_and_what_it_answered() -> None:
    html = Html().render(runs.worsened())
    kinds = re.findall(r'<th scope="col"[^>]*><span>(\w+)</span></th>', html)
    matrix = _matrix(html)
    said = {name: dict(zip(kinds, words, strict=True)) for name, words in matrix.items()}

    assert list(said) == [*homelab.services(), "the site"]
    assert kinds[-4:] == ["rpo", "rto", "retention", "copies"]
    assert (said["vault"]["couchdb"], said["vault"]["seal"], said["vault"]["postgres"]) == (
        "fail",
        "pass",
        "not asked",
    )
    assert (said["mealie"]["postgres"], said["caddy"]["certificate"], said["wishlist"]["files"]) == (
        "error",
        "warn",
        "skip",
    )
    assert (said["mealie"]["rpo"], said["lldap"]["rpo"], said["the site"]["retention"]) == (
        "not met",
        "met",
        "not met",
    )


def _service(html: str, name: str) -> str:
    """The text of a service's section."""
    sections = re.findall(r'<section class="service .*?</section>', html, flags=re.DOTALL)
    return next(text for text in (Page(section).text for section in sections) if text.startswith(name))


def test_says_since_when_a_service_is_bad_and_when_it_was_last_proven() -> None:
    html = Html().render(runs.worsened())

    assert "Bad since 2026-03-11 03:30 UTC ; last proven 2026-03-10 03:30 UTC (4 days ago)." in _service(
        html, "vault"
    )
    assert "Not verified since 2026-03-14 03:31 UTC ; never proven." in _service(html, "wishlist")
    assert "Proven before 2026-03-13 03:30 UTC" in _service(html, "lldap")
    assert html.count("proven 4 days ago") > 0


def test_shows_the_trend_of_rows_size_and_time_with_their_values() -> None:
    html = Html().render(runs.worsened())

    assert "Proven 15 of the last 15 times (since 2026-02-28 03:30 UTC)" in _service(html, "jellyfin")
    assert "Rows 21,317 (18,333 to 21,317)" in _service(html, "jellyfin")
    assert "Proven 10 of the last 15 times" in _service(html, "vault")
    assert "Size last 206.4 MB" in _service(html, "vault")
    assert "Proven 1" not in _service(html, "wishlist")


def test_says_since_when_a_policy_is_not_met() -> None:
    text = Page(Html().render(runs.partial())).text
    todo, rest = text[text.index("What to do") :].split("The policies")

    assert "Not met since 2026-03-07 03:30 UTC ." in todo
    assert "bootstrap.kit-missing since 2026-03-07 03:30 UTC" in rest
    assert "since" not in Page(Html().render(runs.unmet())).text.split("The policies")[1].split("The services")[0]


def test_what_stands_between_backticks_is_code() -> None:
    html = Html().render(runs.partial())

    assert "The kit lacks" not in html
    assert '<p class="message sentence">the kit lacks <code>url</code>, and <code>a`b</code> too</p>' in html
    assert '<p class="sentence">run <code>restic key list</code> there</p>' in html


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a `<b>` & `c`", "a <code>&lt;b&gt;</code> &amp; <code>c</code>"),
        ("`</code><script>alert(1)</script>`", "<code>&lt;/code&gt;&lt;script&gt;alert(1)&lt;/script&gt;</code>"),
        ("one ` <b>", "one ` &lt;b&gt;"),
        ("`a", "`a"),
        ("a `` b", "a `` b"),
        ("at 2026-11-23 15:19:02.123+00:00", "at 2026-11-23 15:19:02+00:00"),
    ],
)
def test_code_is_escaped_first(text: str, shown: str) -> None:
    assert _prose(text) == shown


@pytest.mark.parametrize(
    ("text", "capital"),
    [
        ("the data is old", True),
        ("vault could not be restored", False),
        ("vault's data is old", False),
        ("vault: it is bad", False),
        ("restic said no", False),
        ("/opt/vault is gone", False),
        ("`x` is gone", False),
        ("pg_dump ended", False),
        ("8 are gone", False),
        ("", False),
    ],
)
def test_only_a_plain_word_that_is_no_name_begins_with_a_capital(text: str, capital: bool) -> None:
    assert _sentence(text, {"vault", "restic"}) == (" sentence" if capital else "")


def test_one_file_is_not_files() -> None:
    one = homelab.services()["lldap"].model_copy(update={"files": 1, "bytes": 5})

    assert "Restored 1 file, 5 B" in Page(Html().render(runs.run_of((one,)))).text


def test_each_service_has_its_runbook_folded_with_its_commands_in_order() -> None:
    proof = runs.met().services[2]
    html = Html().render(runs.met())
    runbooks = re.findall(r'<details class="check runbook">.*?<pre tabindex="0">(.*?)</pre>', html, re.DOTALL)

    assert len(runbooks) == 7
    assert runbooks[2].splitlines() == list(proof.runbook)


def test_a_runbook_of_a_bad_backup_says_so() -> None:
    html = Html().render(runs.worsened())

    assert "Not proven: read the findings above before you restore" in _service(html, "vault")
    assert "Not proven:" not in _service(html, "lldap")
