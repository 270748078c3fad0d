"""Between services: each came back for itself, and one does not find in the other what it relies on."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from tests.faults import test_across
from tests.faults.corpus.case import Fault, Healthy
from tests.faults.corpus.homes import Home, Together
from tests.faults.test_across import ENVIRONMENT, STORAGE, accounts, in_authelia, setting
from tests.lab.makers import family, wishlist

HOME = Together()
Harm = Callable[[Home], object]


def done(change: Callable[[test_across.Roots], object]) -> Harm:
    """What other tests do to restored trees."""
    return lambda home: change(home.roots)


def edited(service: str, path: str, old: str, new: str) -> Harm:
    return done(test_across.change(service, path, old, new))


def without_certificate(home: Home) -> None:
    """A host's folder was left out of what is pulled."""
    for place in (home.roots["caddy"] / STORAGE[1:]).parent.glob(f"*/{family.WISHES_HOST}"):
        shutil.rmtree(place)


RECIPES, IN_CADDY = f"{family.RECIPES_HOST} {{", ("caddy", test_across.CADDYFILE)
OF_THE_PACKAGE = ":80 {\n\troot * /usr/share/caddy\n\tfile_server\n}\n"
FAULTS = (
    Fault(
        "a directory older than the user that binds to it",
        HOME,
        done(accounts("delete from users where user_id = 'authelia'")),
        "across.bind-user-missing",
    ),
    Fault(
        "a user of the directory who may not read it",
        HOME,
        done(accounts("delete from memberships where user_id = 'authelia'")),
        "across.bind-user-group",
    ),
    Fault(
        "single sign-on that looks for people elsewhere",
        HOME,
        edited(*in_authelia, f"base_dn: '{family.BASE_DN}'", "base_dn: 'dc=old,dc=example'"),
        "across.base-dn",
    ),
    Fault(
        "a client that single sign-on does not know yet",
        HOME,
        edited(*in_authelia, "client_id: 'mealie'", "client_id: 'recipes'"),
        "across.oidc-client-missing",
    ),
    Fault(
        "a client's secret of the year before",
        HOME,
        edited("mealie", ENVIRONMENT, family.MEALIE_CLIENT.secret, "of-the-year-before"),
        "across.oidc-client-secret",
    ),
    Fault(
        "a client's secret of the year before in a database",
        HOME,
        done(setting("oidc.clientSecret", "of-the-year-before")),
        "across.oidc-client-secret",
    ),
    Fault(
        "a service that has moved to another name",
        HOME,
        edited("mealie", ENVIRONMENT, "BASE_URL=https://recipes.", "BASE_URL=https://notes."),
        "across.oidc-redirect",
    ),
    Fault(
        "a web server's configuration older than a site",
        HOME,
        edited(*IN_CADDY, RECIPES, f"old.{RECIPES}"),
        "across.site-missing",
    ),
    Fault(
        "a web server's configuration of a fresh package",
        HOME,
        done(test_across.put(*IN_CADDY, OF_THE_PACKAGE)),
        "across.site-missing",
    ),
    Fault("a site whose certificate stayed behind", HOME, without_certificate, "across.certificate-missing"),
    Fault(
        "a service that moved to a name without a site",
        HOME,
        edited("wishlist", wishlist.ENVIRONMENT, "ORIGIN=https://wishes.", "ORIGIN=https://gifts."),
        ("across.oidc-redirect", "across.site-missing"),
    ),
)
HEALTHY = (
    Healthy(
        "names of the directory in other letters",
        HOME,
        edited(*in_authelia, f"base_dn: '{family.BASE_DN}'", "base_dn: 'DC=home, DC=example'"),
    ),
    Healthy(
        "a service that has left single sign-on",
        HOME,
        edited("mealie", ENVIRONMENT, "OIDC_AUTH_ENABLED=true", "OIDC_AUTH_ENABLED=false"),
    ),
    Healthy("a site for every name", HOME, edited(*IN_CADDY, RECIPES, ":443 {")),
    Healthy(
        "clients on the way to other homes", HOME, done(test_across.HEALTHY["clients on the way to other homes"])
    ),
)
