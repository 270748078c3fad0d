"""How many copies of the data there are, on how many disks and hosts, if one is elsewhere, and if one stays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from pydantic import Field

from backupcheck.duration import Duration, shown
from backupcheck.policy import Policy, Repeats, View
from backupcheck.replicas import Copy, Other, compared, lost_together, mirror, opened, original
from backupcheck.restic.access import Access
from backupcheck.restic.deletion import May
from backupcheck.restic.repository import Repository
from backupcheck.result import Finding, Outcome
from backupcheck.seams import Facts

AHEAD = timedelta(minutes=10)


class CopiesFacts(Facts):
    """Every copy, the original first."""

    site: str
    copies: tuple[Copy, ...]


class Copies(Policy[CopiesFacts]):
    """Three copies on different disks, one of them elsewhere (3-2-1), each repository with a recent snapshot.

    The copies are the original at the source, the mirror, the site's repository and those under `also`, each of
    which is opened. Copies that share a disk, a pool or a server count as one, for they are lost together.
    Services that are reached by ssh are taken to lie on other disks than the mirror: where they are containers on
    the same disks, say `mirror_apart: false`. A repository is elsewhere if its URL leads to a cloud's storage or a
    public address; `off_site` says otherwise.

        - copies: {at_least: 3, off_site: 1}
        - copies:
            at_least: 4
            mirror_apart: false
            also:
              - {url: "sftp:backup@nas:/restic", password_file: /etc/restic/nas.password, off_site: false}

    Who takes over this machine has all that it opens repositories with, so one of them should be append-only:
    what is in it cannot be deleted with that. `append_only: 1` demands it. It is asked so that nothing changes: a
    REST server (`rest:`) is told to delete names that cannot exist, which an append-only one refuses before it
    looks; B2 says what its key may do (append-only is one without `deleteFiles`, `writeBuckets` and `writeKeys`,
    of a bucket that keeps hidden files for a week or more). A repository in a folder of this machine never is;
    whether one by sftp, S3 (but B2's) or rclone is cannot be asked.

        - copies: {append_only: 1}

    Findings: `copies.too-few`, `copies.not-off-site` (too few of them elsewhere), `copies.deletable` (too few
    repositories are append-only; where `append_only` is not given, a warning that none is), `copies.stale` (a
    repository's newest snapshot of this site is too old), `copies.no-snapshot` (it has none), `copies.future` (it
    is of a time yet to come), `copies.same-key` (two repositories are opened with the same password or
    credentials: a warning); and where it could not look, `copies.append-only-unknown` (an error only if
    `append_only` is given), `copies.unknown` (whether there are enough) beside restic's failure by its own name.
    """

    of_the_site = True
    repeats = (("no-snapshot", Repeats.NOT_READ),)

    at_least: int = Field(3, ge=1, description="how many copies there must be, the original included")
    off_site: int = Field(1, ge=0, description="how many of them must be elsewhere")
    append_only: int | None = Field(
        None,
        ge=0,
        description="how many repositories must refuse to delete; by default it is a warning if none does",
    )
    max_age: Duration = Field(timedelta(days=2), description="how old a repository's newest snapshot may be")
    also: tuple[Other, ...] = Field((), description="other repositories that hold the same snapshots")
    mirror_apart: bool = Field(
        True, description="false where the mirror lies on the disks of sources that are reached by ssh"
    )
    repository_off_site: bool | None = Field(
        None, description="whether the site's own repository is elsewhere; by default told by its URL"
    )

    def observe(self, view: View, services: Sequence[str]) -> CopiesFacts:
        """Look at disks here, and open every repository."""
        others = [
            (Repository(Access(one.url, one.password_file, one.environment_file)), one.off_site)
            for one in self.also
        ]
        repositories = [(view.repository, self.repository_off_site), *others]
        site, specs = view.site, view.specs
        copies = [original(site, specs, mirror_apart=self.mirror_apart), mirror(site, specs)]
        copies += [opened(site, repository, stated) for repository, stated in repositories]
        accesses = [repository.access for repository, _ in repositories]
        return CopiesFacts(site=site.site, copies=tuple(compared(copies, accesses)))

    def judge(self, facts: CopiesFacts, now: datetime) -> Iterator[Finding]:
        """Against the time now."""
        for copy in facts.copies:
            if copy.repository:
                yield copy.trouble or self._judge_age(copy, now)
                yield from self._judge_keys(copy)
        good = [copy for copy in facts.copies if self._counts(copy, now)]
        unknown = sum(copy.trouble is not None for copy in facts.copies)
        groups = lost_together(good)
        names = "; ".join(" and ".join(copy.name for copy in group) for group in groups)
        absent = "".join(f"; not counted is {copy.name}: {copy.absent}" for copy in facts.copies if copy.absent)
        yield self._enough(
            "too-few",
            facts.site,
            (len(groups), unknown, self.at_least),
            f"copies on disks of their own: {names or 'none'}{absent}",
            "keep one more copy on a disk of its own, and name its repository under `also`",
        )
        away = [group for group in groups if any(copy.off_site for copy in group)]
        possible = sum(copy.trouble is not None and copy.off_site for copy in facts.copies)
        names = ", ".join(copy.name for group in away for copy in group if copy.off_site)
        yield self._enough(
            "not-off-site",
            facts.site,
            (len(away), possible, self.off_site),
            f"copies elsewhere: {names or 'none'}",
            "keep a copy where fire and theft do not reach both, or say `off_site: true` if it is so",
        )
        yield self._judge_deletion(facts)

    def _counts(self, copy: Copy, now: datetime) -> bool:
        """Whether it is a copy that would help today."""
        if copy.absent or copy.trouble is not None:
            return False
        if not copy.repository:
            return True
        return copy.newest is not None and now - self.max_age <= copy.newest <= now + AHEAD

    def _enough(self, end: str, site: str, numbers: tuple[int, int, int], message: str, advice: str) -> Finding:
        count, unknown, least = numbers
        outcome = Outcome.PASS if count >= least else Outcome.FAIL
        if outcome is Outcome.FAIL and count + unknown >= least:
            outcome, end = Outcome.ERROR, "unknown"
            message += f"; {unknown} could not be opened"
            advice = "see why it could not be opened"
        return self.finding(
            end,
            outcome,
            site,
            message,
            expected=f"at least {least}",
            actual=count,
            advice="" if outcome is Outcome.PASS else advice,
        )

    def _judge_deletion(self, facts: CopiesFacts) -> Finding:
        """Whether enough repositories are append-only, however old what is in them is."""
        every = [copy for copy in facts.copies if copy.repository]
        kept = [copy for copy in every if copy.may_be_deleted is May.NOT]
        unknown = [copy for copy in every if copy.may_be_deleted is May.UNKNOWN]
        least = 1 if self.append_only is None else self.append_only
        end, outcome, advice = "deletable", Outcome.PASS, ""
        if len(kept) < least <= len(kept) + len(unknown):
            end, outcome = "append-only-unknown", Outcome.SKIP if self.append_only is None else Outcome.ERROR
            advice = "see why, or copy the snapshots to a storage that can be asked, such as rest-server or B2"
        elif len(kept) < least:
            outcome = Outcome.WARN if self.append_only is None else Outcome.FAIL
            advice = "keep a repository that this machine can only add to, and forget and prune from elsewhere"
        said = "; ".join(f"{copy.name}: {copy.why_deleted}" for copy in every)
        return self.finding(
            end,
            outcome,
            facts.site,
            f"repositories that cannot be deleted from with what this machine knows: {len(kept)} of {len(every)} "
            f"({said})",
            expected=f"at least {least}",
            actual=len(kept),
            advice=advice,
        )

    def _judge_age(self, copy: Copy, now: datetime) -> Finding:
        bound = f"at most {shown(self.max_age)}"
        if copy.newest is None:
            message = "the repository has no snapshot of this site"
            advice = "run `backupcheck backup`, or `restic copy` for another repository"
            return self.finding("no-snapshot", Outcome.FAIL, copy.name, message, expected=bound, advice=advice)
        at = f"{copy.newest:%Y-%m-%d %H:%M} UTC"
        if copy.newest > now + AHEAD:
            message = "the newest snapshot is of a time that is yet to come: a clock is wrong"
            return self.finding("future", Outcome.FAIL, copy.name, message, expected=bound, actual=at)
        old = now - copy.newest > self.max_age
        return self.finding(
            "stale",
            Outcome.FAIL if old else Outcome.PASS,
            copy.name,
            f"the repository's newest snapshot of this site is {'too old' if old else 'recent'}",
            expected=bound,
            actual=at,
            advice="see why nothing was backed up or copied to it" if old else "",
        )

    def _judge_keys(self, copy: Copy) -> Iterator[Finding]:
        for what, other in (("password", copy.same_password), ("credentials", copy.same_credentials)):
            if other:
                message = f"it is opened with the same {what} as {other}: who has them has both"
                advice = f"give each repository {what} of its own"
                yield self.finding("same-key", Outcome.WARN, copy.name, message, advice=advice)
