"""report.md: what stands first, how long it is, and that nothing in it can act in an issue tracker."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from backupcheck.reporters.markdown import LONGEST, MOST_BYTES, MOST_GROUPS, Markdown
from backupcheck.result import Finding, Outcome, Proof, Run, check_result
from tests.reporters import homelab, runs
from tests.reporters.goldens import golden
from tests.reporters.runs import SAMPLES

PARSER = MarkdownIt("gfm-like", {"linkify": True, "html": True, "typographer": False})
"""GitHub's Markdown with everything on that a tracker may have, also links of bare addresses."""
STRUCTURE = {"inline", "heading", "paragraph", "bullet_list", "list_item", "strong", "em", "text", "softbreak"}
ACTING = (
    *(
        "@everyone",
        "@group/team see this",
        "mail someone@example.com",
        "hello#12",
        "GH-12",
        "#1",
        "!5",
        "JIRA-123",
    ),
    *(
        "fixes #1",
        "owner/repo#1",
        "/close",
        "\n/close",
        "http://evil.example/x",
        "www.evil.example",
        "evil.example",
    ),
    *("![x](http://evil.example/pixel.png)", "[click](javascript:alert(1))", "<img src=x>", "<!-- ", "</details>"),
    *("`@everyone`", "``@everyone", "a ` b @everyone", "`", "``", "` @x `", "\\`@x", "`a``b`", "`@x` `", "x`@y`z"),
    *(
        "| a | b |\n|---|---|",
        "# title",
        "- [x] done",
        "* * *",
        "> quote",
        "    code",
        "~~gone~~",
        "**bold",
        "_it_",
    ),
    *(
        "&#64;everyone",
        "&commat;x",
        "$x$",
        "$`x`$",
        "[^1]",
        "[a]: http://evil.example",
        ":smile:",
        "0123456789abcdef",
    ),
    *(
        "@\u200beveryone",
        "```",
        "~~~\n@x\n~~~",
        "=====",
        "1. one",
        "word:@x",
        "(@x)",
        '"@x"',
        "@x,",
        "'@x'.",
        " @x ",
    ),
)


def _tokens(text: str) -> Iterator[Token]:
    for token in PARSER.parse(text):
        yield token
        yield from token.children or ()


def _prose(text: str) -> str:
    """All that is not in a code span."""
    return "\n".join(token.content for token in _tokens(text) if token.type == "text")


def _acts(text: str) -> list[str]:
    """What a tracker would make something of: elements that no report has, and names outside of code."""
    kinds = {re.sub("_(open|close)$", "", token.type) for token in _tokens(text)}
    prose = _prose(text)
    found = sorted(kinds - STRUCTURE - {"code_inline"})
    found += re.findall(
        r"@\S|#\d|\w#|![\d\[]|\b[A-Z]+-\d+|\b[0-9a-f]{7}|://|www\.\w|\w\.\w+\.?\w*/|[<>|&$\\`\[\]]", prose
    )
    return found + [line for line in text.splitlines() if line.lstrip().startswith("/")]


def _with_text(text: str) -> Run:
    """A run with this text wherever restored data, a tool's words or a person's can be."""
    findings = tuple(
        Finding(id="a.b", outcome=outcome, subject=text, expected=text, actual=text, message=text, advice=text)
        for outcome in (Outcome.FAIL, Outcome.WARN)
    )
    check = check_result("files", text or "x", findings)
    proof = homelab.services()["lldap"].model_copy(update={"about": text, "checks": (check,)})
    update = {"policies": (check,), "not_exercised": (text,), "repository": text, "site": text, "version": text}
    return runs.run_of((proof,)).model_copy(update=update | {"tools": {text: text}, "run_id": text})


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_file_is_as_it_was_approved(sample: str) -> None:
    expected, actual = golden(Markdown(), sample)

    assert expected == actual


@pytest.mark.parametrize("sample", SAMPLES)
def test_nothing_in_it_acts(sample: str) -> None:
    assert _acts(Markdown().render(SAMPLES[sample])) == []


@pytest.mark.parametrize("text", ACTING)
def test_what_would_act_in_a_tracker_is_in_code(text: str) -> None:
    assert _acts(Markdown().render(_with_text(text))) == []


@given(
    st.lists(st.sampled_from([*"`@#!<>[]()|*_~$&\\/:.-+=\"' \n\tax1", "www.", "http://", "GH-", *ACTING])).map(
        "".join
    )
)
def test_no_text_acts_however_it_is_put_together(text: str) -> None:
    assert _acts(Markdown().render(_with_text(text))) == []


def test_what_acts_outside_of_code_would_be_seen() -> None:
    said = [
        text
        for text in ("@x", "#1", "![x](y)", "<b>", "http://a.example", "| a |\n|---|", "a\n/close")
        if _acts(text)
    ]

    assert len(said) == 7


def test_a_text_stays_readable() -> None:
    text = Markdown().render(_with_text("no such file /srv/a_b (seen twice), see `box: {image: x}`."))

    assert "no such file `/srv/a_b` (seen twice), see `box: {image: x}`." in text


CODE_SPANS = (
    ("see `a` now", ["a"]),
    ("see ``a `b` c`` now", ["a `b` c"]),
    ("`a``b`", ["a``b"]),
    ("`a` `b`", ["a", "b"]),
    ("see @x `b`", ["@x", "b"]),
    ("say `{image: x}`, then ``pg_dump `x` ``", ["{image: x}", "pg_dump `x` "]),
    ("/a`b is gone", ["/a`b"]),
    ("```", ["```"]),
)


@pytest.mark.parametrize(("text", "code"), CODE_SPANS)
def test_code_in_a_sentence_is_the_same_code_in_the_report(text: str, code: list[str]) -> None:
    (advice,) = [line for line in Markdown().render(_with_text(text)).splitlines() if "- **Do this:**" in line][:1]
    spans = [token.content.strip() for token in _tokens(advice) if token.type == "code_inline"]

    assert spans == [each.strip() for each in code]


def test_different_messages_of_one_kind_are_lines_of_their_own() -> None:
    said = ("it is cut", "it is cut", "it is empty", "it is gone", "it is new", "it is old", "it is old")
    findings = [
        Finding(id="files.bad", outcome=Outcome.FAIL, subject=f"/f{number}", message=message)
        for number, message in enumerate(said)
    ]
    check = check_result("files", "files /", findings)
    proof = homelab.services()["vault"].model_copy(update={"checks": (check,)})
    text = Markdown().render(runs.run_of((proof,)))
    lines = text[text.index("- ❌") :].splitlines()[:9]

    assert lines == [
        "- ❌ `files.bad` it is cut",
        "  - Where: `/f0` and 1 more",
        "- ❌ `files.bad` it is empty",
        "  - Where: `/f2`",
        "- ❌ `files.bad` it is gone",
        "  - Where: `/f3`",
        "- ❌ `files.bad` it is new",
        "  - Where: `/f4`",
        "- 2 more `files.bad`",
    ]


def test_says_since_when_a_policy_is_not_met() -> None:
    assert "  - Not met since 2026-03-07 03:30 UTC\n" in Markdown().render(runs.partial())


def test_a_value_with_backticks_comes_back_whole() -> None:
    code = [
        token.content
        for token in _tokens(Markdown().render(_with_text("a ``b`` `")))
        if token.type == "code_inline"
    ]

    assert "a ``b`` `" in code


@pytest.mark.parametrize(
    ("sample", "first"),
    [
        ("healthy", "# ✅ Proven: `homelab`\n\n**All 7 services would come back from their backups.**\n"),
        (
            "worsened",
            "# ❌ Not proven: `homelab`\n\n**The backup of vault is bad.** mealie and wishlist could not",
        ),
        ("unmet", "# ⚠️ Proven, but a policy is not met: `homelab`\n\n**All 7 services would come back"),
        ("unlooked", "# ❔ Proven, but a policy could not be looked at: `homelab`\n\n**All 7 services"),
        ("empty", "# ❔ Not proven: `homelab`\n\n**Nothing was checked.**"),
        ("interrupted", "# ❔ Not proven: `homelab`\n\n**The run was interrupted.**"),
    ],
)
def test_says_first_whether_it_is_proven(sample: str, first: str) -> None:
    assert Markdown().render(SAMPLES[sample]).startswith(first)


def test_what_is_bad_comes_first_with_since_when_and_what_to_do() -> None:
    text = Markdown().render(runs.worsened())
    headings = re.findall(r"^##+ (.*)", text, flags=re.MULTILINE)

    assert headings == [
        "What to do",
        "❌ `vault` (Notes (CouchDB)): bad backup",
        "❔ `mealie` (Recipes): not verified",
        "❔ `wishlist` (Wish lists): not verified",
        "Policies",
        "Worth knowing",
        "Services",
        "What this run did not show",
    ]
    assert "Not proven since 2026-03-11 03:30 UTC; last proven 2026-03-10 03:30 UTC (4 days ago)." in text
    assert "never proven yet" in text
    assert "**Do this:** look for the file at the source, pull again, and drill vault once more" in text


def test_policies_say_what_is_not_met_and_name_all() -> None:
    text = Markdown().render(runs.unmet()).split("## Policies")[1]

    assert "❌ `rpo.too-old` the data is too old" in text
    assert "Expected `at most 1d2h`, actual `3d4h, from 2026-03-10 23:14 UTC`" in text
    assert "- ✅ rpo of the site: met" in text


def test_waivers_say_who_answers_for_them() -> None:
    text = Markdown().render(runs.waived())

    assert "Ann Example until 2026-03-31: the container's umask is wrong" in text


def _many(services: int, ids: int, letter: str) -> Run:
    def proof(number: int) -> Proof:
        long = letter * 900
        findings = [
            Finding(id=f"files.missing-{n}", outcome=Outcome.FAIL, subject=long, message=long, advice=long)
            for n in range(ids)
        ]
        check = check_result("files", "files /", findings)
        return homelab.services()["vault"].model_copy(update={"service": f"s{number}", "checks": (check,)})

    return runs.run_of(tuple(proof(number) for number in range(services)))


@pytest.mark.parametrize("letter", ["x", "`", "ü", "🦊"])
def test_is_never_longer_than_a_tracker_takes_and_says_what_is_left_out(letter: str) -> None:
    text = Markdown().render(_many(200, 3, letter))
    told = len(re.findall(r"^### ", text, flags=re.MULTILINE))

    assert len(text.encode()) <= MOST_BYTES
    assert 3 < told < 200
    assert f"also {200 - told} more that are not proven, did not fit in here" in text.splitlines()[-1]


def test_a_service_with_many_kinds_of_trouble_leaves_room_for_the_others() -> None:
    text = Markdown().render(_many(2, 50, "x"))

    assert text.count(f"- {50 - MOST_GROUPS} more kinds of trouble") == 2
    assert "x" * LONGEST not in text
