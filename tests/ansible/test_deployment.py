"""One playbook makes a bare CT300 a backup container that pulls, backs up and proves all seven services."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
import yaml

from backupcheck.lxc import Inside
from tests.ansible.deployed import (
    ABOUT,
    ANSIBLE,
    ANY_STATUS,
    B2_KEY,
    DEFAULTS,
    PASSWORD,
    TEXTFILE,
    TOPIC,
    Deployed,
    Play,
)
from tests.lab.backuphost import BackupHost, wheelhouse
from tests.lab.lab import SERVICES, Lab

pytestmark = [pytest.mark.lxc, pytest.mark.lab, pytest.mark.slow]

NAMES = [kind.name for kind in SERVICES]
UNITS = ("backupcheck-sync", "restic-backup", "backupcheck-drill")
EXPOSURE = {"backupcheck-sync": 4.0, "restic-backup": 2.5, "backupcheck-drill": 4.5}
"""The most that `systemd-analyze security` may say. Two of them make namespaces, which costs CAP_SYS_ADMIN."""
TRIAL = "/mnt/storage/elsewhere/backups"
OTHERS = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDhhpEgottVibZJJcLEtQlqBAdKTos6VqsEZwRVrK1Rx somebody"
COMMON = """
- hosts: services
  gather_facts: false
  roles:
    - {role: common, common_backup_access: ACCESS}
"""


@pytest.fixture(scope="module")
def bare(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """The lab with a CT300 in which nothing has been done yet; the lab is left as it was."""
    folder = tmp_path_factory.mktemp("controller")
    host = BackupHost.of_lab(lab, wheelhouse(lab.fleet.folder / "wheels"))
    deployed = Deployed(lab, host, folder)
    try:
        lab.fleet.ssh.write({**lab.fleet.addresses(), host.name: host.address})
        host.up()
        (host.storage / "photos").mkdir()
        (host.storage / "photos" / "cat.jpg").write_bytes(b"\xff\xd8 a cat")
        deployed.write_inventory()
        yield deployed
        taken_back(deployed)
    finally:
        deployed.disconnect()
        host.down()
        lab.fleet.ssh.write(lab.fleet.addresses())


def access(deployed: Deployed, given: str, *words: str) -> Play:
    """Run the role `common` alone, with this access."""
    book = deployed.folder / "common.yml"
    book.write_text(COMMON.replace("ACCESS", given))
    return deployed.play(*words, book=book)


def taken_back(deployed: Deployed) -> None:
    """The role takes its lines back from every service, and the last test of this module is that it can."""
    before = keys_of(deployed, "mealie")
    played = access(deployed, "[]")

    assert played.status == 0, played.said
    assert "BEGIN backupcheck" not in keys_of(deployed, "mealie")
    assert [line for line in before.splitlines() if "backupcheck" not in line] == keys_of(
        deployed, "mealie"
    ).splitlines()


def keys_of(deployed: Deployed, service: str) -> str:
    return deployed.lab.fleet.services[service].container.read("/root/.ssh/authorized_keys").decode()


@pytest.fixture(scope="module")
def first_check(bare: Deployed) -> tuple[Play, str]:
    """A check of the bare container, and what there is in it afterwards."""
    play = bare.play("--check", "--diff")
    places = "/etc/backupcheck /etc/restic /opt/backupcheck /var/lib/backupcheck /mnt/storage/backups/*"
    return play, bare.sh(f"ls -d {places} 2>/dev/null", accept=ANY_STATUS).text


@pytest.fixture(scope="module")
def first(bare: Deployed, first_check: object) -> Play:
    """The first run."""
    return bare.play("--diff")


@pytest.fixture(scope="module")
def deployed(bare: Deployed, first: Play) -> Deployed:
    """CT300 after the first run."""
    assert first.status == 0, first.said
    return bare


@pytest.fixture(scope="module")
def after_a_night(deployed: Deployed) -> Deployed:
    """CT300 after its three jobs, started as their timers start them."""
    for unit in UNITS:
        said = deployed.job(unit)
        assert said.startswith("status 0"), f"{unit}: {said}"
    return deployed


def test_a_check_of_a_bare_container_says_what_would_be_done_and_does_nothing(
    first_check: tuple[Play, str],
) -> None:
    play, left = first_check

    assert play.status == 0, play.said
    assert play.changed["ct300"] > 10
    assert left == ""


def test_a_mirror_that_cannot_be_written_is_explained_with_the_mount_that_solves_it(bare: Deployed) -> None:
    play = bare.play("-e", f"backup_mirror={TRIAL}", "--tags", "storage")

    assert play.status == 2, play.said
    assert f"{TRIAL} cannot be written" in play.said
    assert "Read-only file system" in play.said
    assert f"pct set 300 -mp1 {TRIAL},mp={TRIAL}" in play.said


def test_a_check_explains_it_too(bare: Deployed) -> None:
    play = bare.play("-e", f"backup_mirror={TRIAL}", "--tags", "storage", "--check", "--limit", "ct300")

    assert play.status == 2, play.said
    assert "Read-only file system" in play.said


def test_a_second_run_changes_nothing(deployed: Deployed, first: Play) -> None:
    assert min(first.changed.values()) >= 1
    again = deployed.play()

    assert again.status == 0, again.said
    assert again.changes == []
    assert again.changed == dict.fromkeys(["ct300", *NAMES], 0)


def test_a_check_of_a_finished_container_finds_nothing_to_do(deployed: Deployed) -> None:
    check = deployed.play("--check", "--diff")

    assert check.status == 0, check.said
    assert check.changes == []
    assert check.changed == dict.fromkeys(["ct300", *NAMES], 0)


def test_no_secret_is_shown_and_none_can_be_read_by_others(
    deployed: Deployed, first: Play, first_check: tuple[Play, str]
) -> None:
    modes = deployed.sh(
        "stat -c '%a %n' /etc/restic /etc/restic/* /etc/backupcheck/keys /etc/backupcheck/keys/[pc]*[le] "
        "/etc/backupcheck/notifiers /etc/backupcheck/notifiers/*"
    )
    units = deployed.sh(f"systemctl cat {' '.join(UNITS)}; systemctl show {' '.join(UNITS)}").text

    for secret in (PASSWORD, B2_KEY, TOPIC):
        assert secret not in first.said + first_check[0].said + units
    assert modes.text.splitlines() == [
        "700 /etc/restic",
        "600 /etc/restic/b2.env",
        "600 /etc/restic/password",
        "700 /etc/restic/scripts",
        "700 /etc/backupcheck/keys",
        "600 /etc/backupcheck/keys/capture",
        "600 /etc/backupcheck/keys/pull",
        "700 /etc/backupcheck/notifiers",
        "600 /etc/backupcheck/notifiers/chat.url",
    ]


def test_restic_and_backupcheck_read_the_same_credentials(deployed: Deployed) -> None:
    by_shell = deployed.sh('. /etc/restic/b2.env; printf %s "$B2_ACCOUNT_KEY"').text
    program = (
        "from pathlib import Path; from backupcheck.restic.access import Access; "
        "access = Access('b2:x', Path('/etc/restic/password'), Path('/etc/restic/b2.env')); "
        "print(access.environment()['B2_ACCOUNT_KEY'], end='')"
    )
    by_backupcheck = deployed.host.container.run(Inside(("/opt/backupcheck/bin/python", "-c", program))).text

    assert by_shell == by_backupcheck == B2_KEY


@pytest.mark.parametrize("unit", UNITS)
def test_a_job_is_hardened(deployed: Deployed, unit: str) -> None:
    said = deployed.sh(
        f"systemd-analyze verify {unit}.service 2>&1; systemd-analyze security --no-pager {unit}.service"
    )
    overall = said.text.splitlines()[-1]

    assert float(overall.partition(":")[2].split()[0]) < EXPOSURE[unit], overall
    assert "Unknown" not in said.text


def test_the_timers_wait_for_the_night_and_a_failure_is_told(deployed: Deployed) -> None:
    timers = json.loads(deployed.sh("systemctl list-timers --output=json").stdout)
    due = {timer["unit"] for timer in timers if timer["next"]}
    calendars = deployed.sh("systemctl show --value -p TimersCalendar,Persistent backupcheck-sync.timer").text
    hooks = deployed.sh("systemctl show --value -p OnFailure restic-backup.service").text.strip()

    assert {f"{unit}.timer" for unit in UNITS} <= due
    assert "02:30:00" in calendars
    assert "yes" in calendars
    assert hooks == "alarm@restic-backup.service"


def test_the_doctor_finds_nothing_that_would_make_the_night_fail(after_a_night: Deployed) -> None:
    found = after_a_night.sh("backupcheck doctor", accept=ANY_STATUS)

    assert found.code == 0, found.text
    assert found.text.count("may do what the specs declare and no more") == 2 * len(SERVICES)


def test_with_the_pulls_key_there_is_no_shell(deployed: Deployed) -> None:
    config = "-F /etc/backupcheck/ssh_config -o UserKnownHostsFile=/etc/backupcheck/known_hosts -o BatchMode=yes"
    for key in ("pull", "capture"):
        identity = f"-i /etc/backupcheck/keys/{key} -o IdentitiesOnly=yes"
        refused = deployed.sh(f"ssh {config} {identity} root@mealie cat /opt/mealie/.env", accept=ANY_STATUS)

        assert refused.code == 126, refused.stderr
        assert refused.text == ""


def test_all_seven_services_are_pulled_backed_up_and_proven(after_a_night: Deployed) -> None:
    mirror = after_a_night.sh("ls /mnt/storage/backups").text.split()
    run = after_a_night.newest_run()

    assert mirror == sorted(NAMES)
    assert {service["service"]: service["outcome"] for service in run["services"]} == dict.fromkeys(NAMES, "pass")
    assert {service["engine"] for service in run["services"]} == {"process"}
    assert {service["isolation"] for service in run["services"]} == {"no network"}


def test_its_policies_are_met_and_node_exporter_can_read_it(after_a_night: Deployed) -> None:
    policies = {policy["kind"]: policy["outcome"] for policy in after_a_night.newest_run()["policies"]}
    mode = after_a_night.sh(f"stat -c %a {TEXTFILE}").text.strip()
    lines = after_a_night.sh(f"cat {TEXTFILE}").text.splitlines()

    assert policies.keys() >= {"rpo", "rto", "proof_age", "growth", "retention", "read_data", "coverage"}
    assert set(policies.values()) <= {"pass", "warn"}
    assert mode == "644"
    assert sum(line.startswith("backupcheck_service_proven") and line.endswith(" 1") for line in lines) == len(
        NAMES
    )


def test_the_whole_storage_is_in_the_snapshot_and_one_service_comes_back_by_hand(after_a_night: Deployed) -> None:
    restore = "/etc/restic/scripts/restic restore latest --target /srv/restored"
    after_a_night.sh(f"{restore} --include /mnt/storage/photos --include /mnt/storage/backups/lldap")
    compared = after_a_night.sh(
        "diff -r /srv/restored/mnt/storage/backups/lldap /mnt/storage/backups/lldap && echo same"
    )

    assert after_a_night.sh("cat /srv/restored/mnt/storage/photos/cat.jpg").stdout.endswith(b"a cat")
    assert compared.text == "same\n"


def test_a_backup_waits_for_whoever_holds_the_site(after_a_night: Deployed) -> None:
    lock, unit = "/var/lib/backupcheck/state/lock", "restic-backup"
    snapshots = "/etc/restic/scripts/restic snapshots --json --no-lock | tr , '\\n' | grep -c short_id"
    before = after_a_night.sh(snapshots).text

    with after_a_night.host.container.started(Inside(("flock", lock, "sleep", "600"))):
        wait_for(after_a_night, f"flock -n {lock} true; [ $? = 1 ]")
        after_a_night.sh(f"systemctl start --no-block {unit}")
        wait_for(after_a_night, "pgrep -f '[f]lock --timeout'")
        meanwhile = after_a_night.sh(snapshots).text
    after_a_night.sh("pkill -x sleep", accept=ANY_STATUS)
    wait_for(after_a_night, f"[ $(systemctl is-active {unit}) = inactive ]")

    assert meanwhile == before
    assert int(after_a_night.sh(snapshots).text) == int(before) + 1


def wait_for(deployed: Deployed, condition: str) -> None:
    """Until a shell command in CT300 succeeds."""
    deadline = time.monotonic() + 60
    while deployed.sh(condition, accept=ANY_STATUS).code != 0:
        assert time.monotonic() < deadline, condition
        time.sleep(0.1)


def test_a_stale_line_goes_and_others_keys_stay(deployed: Deployed) -> None:
    container = deployed.lab.fleet.services["lldap"].container
    good = keys_of(deployed, "lldap")
    stale = (
        good.replace("# END backupcheck", "restrict ssh-ed25519 AAAAstale old\n# END backupcheck") + f"{OTHERS}\n"
    )
    container.write("/root/.ssh/authorized_keys", stale.encode())
    lines = [line for line in good.splitlines() if line.startswith("restrict")]
    given = json.dumps([{"host": "lldap", "user": "root", "lines": lines}])

    played = access(deployed, given, "--limit", "lldap")

    assert played.status == 0, played.said
    assert keys_of(deployed, "lldap") == f"{good}{OTHERS}\n"
    container.write("/root/.ssh/authorized_keys", good.encode())


def test_the_examples_inventory_names_the_playbooks_groups_and_every_target() -> None:
    example = yaml.safe_load((ANSIBLE / "inventory.example.yml").read_text())
    targets = yaml.safe_load(DEFAULTS.read_text())["backup_sync_targets"]
    groups = example["all"]["children"]

    assert {target["host"] for target in targets} == set(groups["services"]["hosts"]) == set(NAMES)
    assert {target["ct"] for target in targets} == {kind.number for kind in SERVICES}
    assert list(groups["backup"]["hosts"]) == ["ct300"]


def test_the_specs_are_this_repositorys_but_for_what_is_overridden(deployed: Deployed) -> None:
    specs = ANSIBLE.parent / "specs"
    wanted = [path for path in specs.iterdir() if path.suffix in (".yaml", ".py") and path.stem != "site"]
    there = deployed.sh("ls /etc/backupcheck/specs").text.split()

    assert there == sorted(path.name for path in wanted)
    for name in there:
        written = deployed.host.container.read(f"/etc/backupcheck/specs/{name}")
        if name == "jellyfin.yaml":
            assert yaml.safe_load(written) == {**yaml.safe_load((specs / name).read_text()), "about": ABOUT}
        else:
            assert written == (specs / name).read_bytes()
