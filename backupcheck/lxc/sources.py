"""Where packages come from: what the host's own apt uses for its release, and nothing else."""

from __future__ import annotations

import functools
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backupcheck import proc

FALLBACK_RELEASE = "bookworm"
COMPONENTS = {"debian": ("main",), "ubuntu": ("main", "universe")}
KEPT_OPTIONS = re.compile(r"^Acquire::(http|https|ftp|Check-Valid-Until|Check-Date|Retries|ForceIPv4)\b", re.I)


@dataclass(frozen=True)
class Source:
    """One archive and suite of the host's apt."""

    uri: str
    suite: str
    signed_by: str = ""

    def line(self, components: tuple[str, ...]) -> str:
        """The source in apt's one-line style."""
        option = f"[signed-by={self.signed_by}] " if self.signed_by else ""
        return f"deb {option}{self.uri} {self.suite} {' '.join(components)}"


def _system() -> tuple[str, str]:
    try:
        facts = platform.freedesktop_os_release()
    except OSError:
        facts = {}
    name, codename = facts.get("ID", ""), facts.get("VERSION_CODENAME", "")
    return (name, codename) if name in COMPONENTS and codename else ("debian", FALLBACK_RELEASE)


@functools.cache
def release() -> str:
    """The code name that images are made of: the host's own on Debian and Ubuntu, else Debian 12."""
    return _system()[1]


def lines() -> str:
    """The sources for mmdebstrap; empty lets it use the release's public archive."""
    name, codename = _system()
    wanted = {codename, f"{codename}-updates", f"{codename}-security", f"{codename}/updates"}
    found = [source for source in of_host(Path("/etc/apt")) if source.suite in wanted]
    if codename not in {source.suite for source in found}:
        return ""
    return "".join(f"{source.line(COMPONENTS[name])}\n" for source in dict.fromkeys(found))


def apt_options() -> str:
    """The host's options on how to fetch, proxies first of all, as apt's configuration text."""
    dump = proc.run(proc.Command(("apt-config", "dump"), timeout=30)).text
    return "".join(f"{line}\n" for line in dump.splitlines() if KEPT_OPTIONS.match(line))


def of_host(folder: Path) -> Iterator[Source]:
    """Every source with a `main` component below apt's folder, of either style."""
    for path in (folder / "sources.list", *sorted((folder / "sources.list.d").glob("*.list"))):
        if path.is_file():
            yield from one_line_style(path.read_text(errors="replace"))
    for path in sorted((folder / "sources.list.d").glob("*.sources")):
        yield from deb822_style(path.read_text(errors="replace"))


def one_line_style(text: str) -> Iterator[Source]:
    """The sources in a `sources.list`."""
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s+([^#]*)", line)
        if match and "main" in match[4].split():
            signed_by = re.search(r"signed-by=(\S+)", match[1] or "")
            yield Source(match[2], match[3], signed_by[1] if signed_by else "")


def deb822_style(text: str) -> Iterator[Source]:
    """The sources in a `*.sources` file."""
    without_comments = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", without_comments):
        fields = {key.lower(): value.strip() for key, value in re.findall(r"(?m)^([\w-]+):[ \t]*(.*)$", stanza)}
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
            continue
        if "main" in fields.get("components", "").split():
            key = fields.get("signed-by", "")
            for uri in fields.get("uris", "").split():
                for suite in fields.get("suites", "").split():
                    yield Source(uri, suite, key if key.startswith("/") else "")
