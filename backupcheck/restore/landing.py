"""Where at a host a service comes down, and what the host's shell is told to do about it.

Each declared path comes into a folder beside its place first, `.backupcheck-restore-SERVICE` in the lowest folder
above it that is there: renaming within one folder needs no copy and happens at once. A path that is a mounted
disk, which nothing can take the place of, gets that folder inside. `about` in it says what it is of, `tree` holds
what comes, and `whole` appears when all that is in the tree was compared. It goes when all has its name and was
looked at once more.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from backupcheck.errors import PushError

STAGING = ".backupcheck-restore-"
BEGIN = """LC_ALL=C
export LC_ALL
umask 077
fail() { echo "$1" >&2; exit 1; }
"""
LOOK = (
    BEGIN
    + r"""name=$1
shift
say() { printf '%s\0' "$@"; }
say "$(id -u)" "$(id -G)" "$(command -v rsync)" "$(cat /proc/self/mountinfo)"
for path do
  kind=absent real= disk= about= state= came=0
  if [ -d "$path" ]; then
    kind=closed
    if [ -x "$path" ] && ls -A -- "$path" >/dev/null; then
      kind=empty
      if ls -A -- "$path" | grep -qxF lost+found; then kind=bare; fi
      if ls -A -- "$path" | grep -qvxF -e "$name" -e lost+found; then kind=full; fi
    fi
    real=$(cd -P -- "$path" && pwd -P)
    disk="$(stat -c %d -- "$path") $(stat -f -c '%S %a %c %d' -- "$path")"
    own=${path%/}/$name
    if [ -L "$own" ]; then state=strange
    elif [ -d "$own" ]; then
      state=begun
      if [ -e "$own/whole" ]; then state=whole; fi
      about=$(cat "$own/about")
      came=$(du -sk -- "$own" | cut -f 1)
    elif [ -e "$own" ]; then state=strange
    fi
  elif [ -e "$path" ]; then kind=file
  fi
  if [ -L "$path" ]; then link=yes; else link=; fi
  say "$kind" "$link" "$real" "$disk" "$state" "$about" "$came"
done
"""
)
"""Says what there is: four words on the host, and seven on each path."""
OPEN = (
    BEGIN
    + r"""name=$1 about=$2
shift 2
for folder do
  own=${folder%/}/$name
  if [ -L "$own" ]; then fail "$own is a symlink"; fi
  if [ ! -d "$own" ]; then
    mkdir -- "$own" && printf '%s\n' "$about" > "$own/about" || exit 1
  fi
  rm -f -- "$own/whole" || exit 1
  if [ ! -d "$own/tree" ]; then mkdir -- "$own/tree" || exit 1; fi
done
"""
)
MARK = (
    BEGIN
    + r"""name=$1
shift
sync
for folder do : > "${folder%/}/$name/whole" || exit 1; done
"""
)
PUBLISH = (
    BEGIN
    + r"""name=$1
shift
for folder do
  own=${folder%/}/$name
  for each in "$own"/tree/* "$own"/tree/.[!.]* "$own"/tree/..?*; do
    if [ ! -e "$each" ] && [ ! -L "$each" ]; then continue; fi
    to=${folder%/}/${each##*/}
    if [ -d "$to" ] && [ ! -L "$to" ]; then rmdir -- "$to" || exit 1; fi
    if [ -e "$to" ] || [ -L "$to" ]; then fail "$to came to be there meanwhile, and nothing is overwritten"; fi
    mv -- "$each" "$to" || exit 1
  done
  if [ -d "$own/tree" ]; then rmdir -- "$own/tree" || exit 1; fi
done
sync
"""
)
CLOSE = (
    BEGIN
    + r"""name=$1
shift
for folder do
  own=${folder%/}/$name
  if [ -e "$own/tree" ]; then fail "$own/tree is not empty"; fi
  rm -rf -- "$own" || exit 1
done
"""
)


@dataclass(frozen=True)
class Place:
    """What is at one path of the host: `kind` is absent, empty, full, file, or closed (a folder that may not be
    read); `real` its path without symlinks; of its disk the free bytes and names (None: without bound). `state` of
    an earlier restore's folder in it is empty (there is none), begun, whole, or strange (it is no such folder)."""

    kind: str
    link: bool = False
    real: str = ""
    device: str = ""
    free: int = 0
    names: int | None = None
    state: str = ""
    about: str = ""
    came: int = 0

    @property
    def is_folder(self) -> bool:
        """Whether something can come into it."""
        return self.kind in ("empty", "full")


@dataclass(frozen=True)
class Seen:
    """A host as it was found."""

    user: int
    groups: frozenset[int]
    rsync: bool
    mounts: frozenset[str]
    places: Mapping[str, Place]


@dataclass(frozen=True)
class Landing:
    """A folder that is there, into which paths come; all are below `top`, at the host the root of the service.

    `parts` are the sources for rsync below the restored tree; of those in `plain` the folders on their way are not
    as they were at the source. `inside` is set where the folder itself is what is restored.
    """

    folder: str
    parts: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()
    inside: bool = False


def above(top: str, path: str) -> tuple[str, ...]:
    """A path of the service at the host with all that is above it, from `top` on."""
    parts = [part for part in path.split("/") if part]
    return tuple(joined(top, "/".join(parts[:count])) for count in range(len(parts) + 1))


def joined(top: str, path: str) -> str:
    """A path of the service at the host."""
    return f"{top.rstrip('/')}/{path.strip('/')}".rstrip("/") or "/"


def outermost(paths: Iterable[str]) -> tuple[str, ...]:
    """The paths that lie below no other."""
    every = tuple(dict.fromkeys(path.rstrip("/") for path in paths))
    return tuple(path for path in every if not any(path.startswith(f"{other}/") for other in every))


def read_look(host: str, paths: Sequence[str], said: bytes) -> Seen:
    """What LOOK said of these paths. Raises `PushError` for what cannot be understood."""
    words = [os.fsdecode(word) for word in said.split(b"\0")]
    try:
        user, groups, rsync, mountinfo, *rest = words[:-1]
        if len(rest) != 7 * len(paths):
            raise ValueError(f"{len(rest)} words")
        mounts = frozenset(_mounts(mountinfo))
        places = {path: _place(rest[7 * at : 7 * at + 7], mounts) for at, path in enumerate(paths)}
        return Seen(int(user), frozenset(map(int, groups.split())), bool(rsync), mounts, places)
    except (ValueError, IndexError) as error:
        raise PushError(
            f"{host}: what the host says of its folders cannot be read",
            id="restore.host-unclear",
            advice="it needs a POSIX shell with coreutils or busybox, and a login shell that prints nothing",
        ) from error


def _place(words: Sequence[str], mounts: frozenset[str]) -> Place:
    kind, link, real, disk, state, about, came = words
    if kind == "bare":  # a disk's own folder is nothing of anybody's, but any other of the name is
        kind = "empty" if real in mounts else "full"
    device, free, names = "", 0, None
    if disk:
        device, size, blocks, total, left = disk.split()
        free, names = int(size) * int(blocks), int(left) if int(total) else None
    return Place(kind, bool(link), real, device, free, names, state, about, int(came or 0) * 1024)


def _mounts(text: str) -> Iterator[str]:
    """The mounted places (proc(5), mountinfo, field 5; octal escapes)."""
    for line in text.splitlines():
        place = os.fsencode(line.split(" ")[4])
        yield os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), place))


def landings(seen: Seen, top: str, pulled: Iterable[str], captured: Iterable[str]) -> tuple[Landing, ...]:
    """Where the outermost paths come down; of what was only captured, the folders on its way are a mirror's."""
    exact = outermost(pulled)
    found: dict[tuple[str, bool], tuple[list[str], list[str]]] = {}
    for path in outermost((*exact, *captured)):
        way = above(top, path)
        at = next((count for count, place in enumerate(way) if seen.places[place].kind == "absent"), len(way))
        itself = at == len(way)
        inside = itself and (len(way) == 1 or seen.places[way[-1]].real in seen.mounts)
        depth = at - 1 if inside or not itself else at - 2
        parts = [part for part in path.split("/") if part]
        source = "".join(f"/{part}" for part in parts[:depth]) + "/./" + "/".join(parts[depth:])
        rough = len(parts) - depth > 1 and not any(f"{path}/".startswith(f"{one}/") for one in exact)
        found.setdefault((way[depth], inside), ([], []))[rough].append(source)
    return tuple(
        Landing(folder, tuple(parts), tuple(plain), inside) for (folder, inside), (parts, plain) in found.items()
    )


def obstacles(seen: Seen, top: str, paths: Iterable[str]) -> Iterator[str]:
    """What is in the way: sentences."""
    told: set[str] = set()
    for path in outermost(paths):
        *way, place = above(top, path)
        for folder in way:
            there = seen.places[folder]
            if there.kind in ("file", "closed") or (there.kind == "absent" and there.link):
                told.add(folder)
                yield f"{folder} is {'closed to the user there' if there.kind == 'closed' else 'no folder'}"
                break
        else:
            there = seen.places[place]
            if there.kind == "full":
                yield f"{place} is not empty"
            elif there.kind == "closed":
                yield f"{place} is closed to the user there"
            elif there.link and place != top:
                yield f"{place} is a symlink"
            elif there.kind == "file":
                yield f"{place} is there"
