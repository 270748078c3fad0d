"""The runbook does what it says: bash executes its lines, and the service is as it was."""

from __future__ import annotations

import atexit
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

from backupcheck import runbook as module
from backupcheck.plan import make_plan, repository_of
from backupcheck.restic.access import Access
from backupcheck.restic.repository import Repository
from backupcheck.result import LONGEST_TEXT
from backupcheck.runbook import next_steps, runbook
from backupcheck.spec import Site, Spec, load_site, load_spec
from tests.sshd import HOST, Sshd

SITE = """\
site: homelab
mirror: {mirror}
repository: {{url: {url}, password_file: "the password's file"}}
scratch: {{folder: scratch}}
reports: reports
state: state
"""
SPEC = """\
service: notes
source: {source}
capture: {capture}
checks: [{{files: {{glob: "/srv/*", count: {{gte: 1}}}}}}]
"""
STRANGE = ("two words", "it's", 'a "b"', "[x] (y)", "a*b?", "$HOME;touch x", "ünï", "-n")


def site_of(folder: Path, url: str = "'a repository'", mirror: str = "mirror", more: str = "") -> Site:
    (folder / "site.yaml").write_text(SITE.format(url=url, mirror=mirror) + more)
    (folder / "the password's file").write_text("correct horse\n")
    return load_site(folder / "site.yaml")


def spec_of(folder: Path, source: str, capture: str = "[]") -> Spec:
    (folder / "notes.yaml").write_text(SPEC.format(source=source, capture=capture))
    return load_spec(folder / "notes.yaml")


def fill(folder: Path) -> None:
    """A service with names that a shell, restic and rsync could each misread."""
    for number, name in enumerate(STRANGE):
        (folder / name).mkdir(parents=True)
        (folder / name / name).write_bytes(name.encode() * number)
        (folder / name / name).chmod(0o600 + number)
        os.utime(folder / name / name, (number * 10**8, number * 10**8 + 0.5))
    (folder / "link").symlink_to("two words/two words")
    os.link(folder / "it's" / "it's", folder / "hard link")
    folder.chmod(0o2750)


def seen(folder: Path) -> dict[str, tuple[object, ...]]:
    """All that a restore must bring back of each name."""
    found: dict[str, tuple[object, ...]] = {}
    for path in [folder, *folder.rglob("*")]:
        status = path.lstat()
        what: object = path.readlink() if path.is_symlink() else path.is_file() and path.read_bytes()
        times = status.st_mtime_ns if path.is_file() and not path.is_symlink() else 0
        owner = (status.st_uid, status.st_gid)
        found[str(path.relative_to(folder))] = (what, status.st_mode, owner, status.st_nlink, times)
    return found


def backed_up(site: Site, source: Path, *paths: str) -> tuple[str, str]:
    """The service pulled into the mirror and backed up; the snapshot's id and the service's path in it."""
    mirror = site.mirror / "notes"
    mirror.mkdir(parents=True)
    words = ["rsync", "-aHAX", "--relative", *(f"{source}/.{path}" for path in paths), str(mirror)]
    subprocess.run(words, check=True)
    repository = repository_of(site)
    shutil.copytree(empty(), site.repository.url)
    repository.backup(site.mirror, site.snapshot_host, site.repository.tags)
    plan = make_plan(site, ["notes"])
    return plan.snapshot.id, plan.services["notes"].path


@cache
def empty() -> Path:
    """A new repository, which takes restic a second to make."""
    folder = Path(tempfile.mkdtemp(prefix="backupcheck-runbook-"))
    atexit.register(shutil.rmtree, folder)
    (folder / "password").write_text("correct horse\n")
    Repository(Access(str(folder / "repository"), folder / "password")).init()
    return folder / "repository"


def executed(lines: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    script = "set -euo pipefail\n" + "\n".join(lines)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RESTIC")}
    # rsync before 3.2.4 leaves its arguments to the other machine's shell; so does a newer one with this
    environment["RSYNC_OLD_ARGS"] = "1"
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, env=environment)


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another folder than root's own for what is restored."""
    target = tmp_path / "restored [here]"
    monkeypatch.setattr(module, "TARGET", str(target))
    return target


def test_bash_executes_the_lines_and_the_service_is_as_it_was(tmp_path: Path, target: Path) -> None:
    source = tmp_path / "a source"
    fill(source / "srv/it's [my] *data*")
    (source / "srv").chmod(0o751)
    site = site_of(tmp_path)
    spec = spec_of(tmp_path, """{host: local, root: "a source", paths: ["/srv/it's [my] *data*/"]}""")
    snapshot, path = backed_up(site, source, "/srv/it's [my] *data*")
    before = seen(source)
    source.rename(tmp_path / "lost")
    source.mkdir(mode=(tmp_path / "lost").stat().st_mode)

    done = executed(runbook(site, spec, snapshot, path, 2.2))

    assert (done.returncode, done.stderr) == (0, "")
    assert seen(source) == before
    assert target.stat().st_mode & 0o777 == 0o700


def test_a_service_deep_in_a_path_of_pattern_letters_is_restored_alone(tmp_path: Path, target: Path) -> None:
    (tmp_path / "source/srv").mkdir(parents=True)
    (tmp_path / "source/srv/file").write_text("kept")
    site = site_of(tmp_path, mirror="'m[i]r*r?'")
    spec = spec_of(tmp_path, "{host: local, root: source, paths: [/srv/]}")
    backed_up(site, tmp_path / "source", "/srv")
    other = site.mirror.parent / "mir" / "notes"
    other.mkdir(parents=True)
    repository = repository_of(site)
    words = ["restic", "backup", "--host", "homelab", "--tag", "backupcheck", str(site.mirror), str(other)]
    subprocess.run(words, check=True, capture_output=True, env=os.environ | repository.access.environment())
    plan = make_plan(site, ["notes"])

    done = executed(runbook(site, spec, plan.snapshot.id, plan.services["notes"].path, None))

    assert plan.services["notes"].path == f"{site.mirror}/notes"
    assert (done.returncode, done.stderr) == (0, "")
    assert (target / "notes" / str(site.mirror).lstrip("/") / "notes/srv/file").is_file()
    assert not (target / "notes" / str(other).lstrip("/")).exists()


def test_a_second_run_does_not_restore_over_the_first(tmp_path: Path, target: Path) -> None:
    (target / "notes").mkdir(parents=True)
    site = site_of(tmp_path)
    spec = spec_of(tmp_path, "{host: local, root: source, paths: [/srv/]}")

    done = executed(runbook(site, spec, "0" * 64, "/notes", None))

    assert done.returncode != 0
    assert "File exists" in done.stderr


def test_a_captured_file_is_put_back_and_its_folder_stays_as_it_is(tmp_path: Path, target: Path) -> None:
    source = tmp_path / "source"
    (source / "tmp").mkdir(parents=True)
    capture = "[{postgres: {database: notes, to: /tmp/notes.sql}}]"
    site, spec = site_of(tmp_path), spec_of(tmp_path, "{host: local, root: source}", capture)
    for file in spec.declared:
        (source / file[1:]).write_text("select 1;")
    snapshot, path = backed_up(site, source, *spec.declared)
    for file in spec.declared:
        (source / file[1:]).unlink()
    (source / "tmp").chmod(0o1777)
    lines = runbook(site, spec, snapshot, path, None)
    load = next(index for index, line in enumerate(lines) if line.startswith("# 4."))

    done = executed(lines[:load])

    assert (done.returncode, done.stderr) == (0, "")
    assert [(source / file[1:]).read_text() for file in spec.declared] == ["select 1;"] * len(spec.declared)
    assert (source / "tmp").stat().st_mode & 0o7777 == 0o1777
    words = ["psql", "#", "createdb", "psql", "rm"]
    assert [line.split(" -- ")[-1].split()[0] for line in lines[load + 1 : -1]] == words
    assert lines[-1].startswith("# 5. ")


def test_a_machine_behind_ssh_gets_its_files_back_whatever_its_folders_are_called(
    tmp_path: Path, target: Path
) -> None:
    (tmp_path / "sshd").mkdir()
    with Sshd.running(tmp_path / "sshd") as sshd:
        source = tmp_path / "it's a root"
        fill(source / "srv/data")
        config = tmp_path / "ssh config"
        access = sshd.access
        config.write_text(access.config.read_text() if access.config else "")
        with config.open("a") as file:
            file.write(f'\nIdentityFile "{str(access.identity).replace("%", "%%")}"\n')
        places = {"config": str(config), "known_hosts": str(access.known_hosts), "user": sshd.user}
        site = site_of(tmp_path, more=f"ssh: {places!r}\n")
        spec = spec_of(tmp_path, f"""{{host: {HOST}, root: "{source}", paths: [/srv/data/]}}""")
        snapshot, path = backed_up(site, source, "/srv/data")
        before = seen(source)
        source.rename(tmp_path / "lost")
        source.mkdir(mode=(tmp_path / "lost").stat().st_mode)

        done = executed(runbook(site, spec, snapshot, path, None))

    assert (done.returncode, done.stderr) == (0, "")
    assert seen(source) == before


def test_credentials_are_taken_as_the_drill_takes_them(tmp_path: Path) -> None:
    (tmp_path / "environment").write_text(
        "# B2_COMMENT=no\nB2_ACCOUNT_ID=plain\nexport B2_KEY='a $HOME `id` & b'\n B2_OTHER = no\n"
        f'B2_QUOTED="x=y"\nB2_BREAK=a;touch {tmp_path}/broken\n'
    )
    site = site_of(tmp_path)
    with_file = site.repository.model_copy(update={"environment_file": tmp_path / "environment"})
    site = site.model_copy(update={"repository": with_file})
    lines = runbook(site, spec_of(tmp_path, "{host: local, paths: [/srv/]}"), "0", "/notes", None)
    end = next(index for index, line in enumerate(lines) if line.startswith("# 2."))

    done = executed((*lines[:end], "env -0"))
    said = dict(part.split("=", 1) for part in done.stdout.split("\0") if part.startswith(("B2_", "RESTIC_")))
    known = repository_of(site).access.environment()

    assert done.stderr == ""
    assert {name: said.get(name) for name in known if name != "B2_OTHER"} == {
        name: value for name, value in known.items() if name != "B2_OTHER"
    }
    assert not (tmp_path / "broken").exists()


def test_a_password_in_the_url_is_not_in_the_runbook(tmp_path: Path) -> None:
    site = site_of(tmp_path, url='"rest:https://ann:s3cret@backup.example:8000/"')
    lines = runbook(site, spec_of(tmp_path, "{host: local, paths: [/srv/]}"), "0", "/notes", None)

    assert "s3cret" not in "".join(lines)
    assert any("RESTIC_REPOSITORY='rest:https://ann:***@backup.example:8000/'" in line for line in lines)


def test_a_user_in_the_url_is_no_secret(tmp_path: Path) -> None:
    site = site_of(tmp_path, url='"sftp:ann@backup.example:/srv/restic"')
    lines = runbook(site, spec_of(tmp_path, "{host: local, paths: [/srv/]}"), "0", "/notes", None)

    assert any("RESTIC_REPOSITORY=sftp:ann@backup.example:/srv/restic" in line for line in lines)


@pytest.mark.parametrize(
    ("host", "top"), [("ann@nas", "ann@nas:/"), ("fd00::1", "root@[fd00::1]:/"), ("nas", "root@nas:/")]
)
def test_a_host_is_named_as_rsync_wants_it(tmp_path: Path, host: str, top: str) -> None:
    spec = spec_of(tmp_path, f"{{host: '{host}', paths: [/srv/]}}")
    lines = runbook(site_of(tmp_path), spec, "0", "/notes", None)

    assert [shlex.split(line)[-1] for line in lines if line.startswith("rsync ")] == [top]


def test_what_lies_below_another_path_is_put_back_once(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, "{host: local, paths: [/srv/a/, /srv/a/b, /srv/ab, /srv/a]}")
    lines = runbook(site_of(tmp_path), spec, "0", "/notes", 90.4)
    words = [shlex.split(line) for line in lines if line.startswith("rsync ")]

    assert [line[-2].partition("/./")[2] for line in words] == ["srv/a", "srv/ab"]
    assert any("it took 1m30s in the drill" in line for line in lines)


def test_what_is_left_to_do_after_a_restore_is_numbered_anew(tmp_path: Path) -> None:
    capture = "[{postgres: {database: notes, to: /tmp/notes.sql}}]"
    spec = spec_of(tmp_path, "{host: nas, paths: [/srv/]}", capture)
    lines = next_steps(site_of(tmp_path), spec, Path("/mnt/it's back"))
    whole = runbook(site_of(tmp_path), spec, "0", "/notes", None)

    assert [line.partition(":")[0] for line in lines if re.match("# [0-9]", line)] == [
        "# 1. At nas",
        "# 2. At nas",
        "# 3. Start the service and look at it; then remove /mnt/it's back",
    ]
    sources = [shlex.split(line)[-2] for line in lines if line.startswith("rsync ")]
    assert sources[0] == "/mnt/it's back/./srv"
    assert len(lines) == len(whole) - next(n for n, line in enumerate(whole) if line.startswith("# 3."))


def test_a_line_that_a_report_would_cut_is_no_command(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, f"{{host: local, paths: ['/srv/{'x' * 980}']}}")
    lines = runbook(site_of(tmp_path), spec, "0", "/notes", None)

    assert max(len(line) for line in lines) <= LONGEST_TEXT
    assert not [line for line in lines if line.startswith("rsync ")]


def test_the_short_way_to_another_machine_is_told_and_is_no_command(tmp_path: Path) -> None:
    site = site_of(tmp_path)
    there = runbook(site, spec_of(tmp_path, "{host: 'ann@nas', paths: [/srv/]}"), "abc", "/notes", None)
    here = runbook(site, spec_of(tmp_path, "{host: local, paths: [/srv/]}"), "abc", "/notes", None)
    told = [line for line in there if "backupcheck restore" in line]

    assert told == ["#    backupcheck restore notes --snapshot abc --to ann@nas:/"]
    assert not [line for line in here if "backupcheck restore" in line]


def test_each_service_is_restored_into_a_folder_of_its_own(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, "{host: local, paths: [/srv/]}")
    lines = runbook(site_of(tmp_path), spec, "0", "/notes", None)
    (restic,) = [shlex.split(line) for line in lines if line.startswith("restic")]

    assert restic[-2:] == ["--target", "/root/restored/notes"]
    assert lines[-1].endswith("then remove /root/restored/notes")


def test_what_no_kind_knows_how_to_load_is_named(tmp_path: Path) -> None:
    capture = "[{command: {run: [slapcat, -n, '1'], to: '/var/a b.ldif'}}]"
    lines = runbook(site_of(tmp_path), spec_of(tmp_path, "{host: nas}", capture), "0", "/notes", None)

    assert "# '/var/a b.ldif' is what slapcat printed: load it by that program's own means" in lines
