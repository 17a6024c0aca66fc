"""Macaroons against published ones, and laws of the chain."""

import base64
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.model import InputError
from swath.storage.dcache.macaroon import (
    Macaroon,
    add_caveats,
    create,
    derive_key,
    expires,
    format_macaroon,
    parse_macaroon,
    restrict,
    verify,
)

KEY = derive_key(b"this is our super secret key; only we should know it")
BANK = create(KEY, "we used our secret key", location="http://mybank/")


def test_signatures_are_those_of_the_readme_of_libmacaroons():
    assert BANK.signature.hex() == "e3d9e02908526c4c0039ae15114115d97fdd68bf2ba379b342aaf0f617d0552f"
    weaker = add_caveats(BANK, "account = 3735928559")
    assert weaker.signature.hex() == "1efe4763f290dbce0c1d08477367e11f4eee456a64933cf662d79772dbb82128"


def test_the_macaroon_of_dcaches_user_guide_is_read_and_written_alike():
    # https://www.dcache.org/manuals/UserGuide/macaroons.shtml, "Basic structure of a macaroon"
    token = (
        "MDAxY2xvY2F0aW9uIE9wdGlvbmFsLmVtcHR5CjAwMThpZGVudGlmaWVyIGhsQ0kremlRCjAwMTVjaWQgaWlkOnBGTTA1MnJTCjAwMjFja"
        "WQgaWQ6MjAwMjsxMDAxLDIwMDIsMDtwYXVsCjAwMjhjaWQgYmVmb3JlOjIwMTktMDQtMTdUMDk6NTE6MjIuODQwWgowMDE5Y2lkIGhvbW"
        "U6L1VzZXJzL3BhdWwKMDAyZnNpZ25hdHVyZSCT6Lea6oBIEpiF2KOsZ1FQvLeoXve_a3q38TZTBWhM1Qo"
    )
    read = parse_macaroon(token)
    assert (read.location, read.identifier) == ("Optional.empty", "hlCI+ziQ")
    assert read.caveats == (
        "iid:pFM052rS",
        "id:2002;1001,2002,0;paul",
        "before:2019-04-17T09:51:22.840Z",
        "home:/Users/paul",
    )
    assert expires(read) == dt.datetime(2019, 4, 17, 9, 51, 22, 840000, tzinfo=dt.UTC)
    assert format_macaroon(read) == token


@given(st.text(), st.text(), st.lists(st.text()), st.sampled_from([1, 2]))
def test_what_is_written_is_read(location, identifier, caveats, version):
    made = create(KEY, identifier, location=location, caveats=tuple(caveats))
    made = Macaroon(made.identifier, made.caveats, made.signature, made.location, version)
    assert parse_macaroon(format_macaroon(made)) == made


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), min_size=1, max_size=4))
def test_caveats_are_added_without_the_key_and_taken_away_by_nobody(first, more):
    whole = create(KEY, "key 1", caveats=tuple(first))
    weaker = parse_macaroon(restrict(format_macaroon(whole), *more))
    assert verify(whole, KEY)
    assert verify(weaker, KEY)
    assert weaker.caveats == (*first, *more)
    assert not verify(Macaroon("key 1", whole.caveats, weaker.signature), KEY)
    assert not verify(Macaroon("key 1", (*weaker.caveats, ""), weaker.signature), KEY)


def test_another_key_does_not_verify():
    assert not verify(BANK, derive_key(b"another"))


def test_without_a_readable_before_it_does_not_end():
    assert expires(create(KEY, "1", caveats=("before:soon", "path:/x"))) is None


def test_the_secret_is_not_shown():
    assert BANK.signature.hex()[:8] not in repr(BANK)
    assert str(BANK.signature) not in repr(BANK)


@pytest.mark.parametrize(
    "token",
    ["", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "!!!!", "AgEB", format_macaroon(BANK)[:-20], "AAAAAAAA"],
)
def test_what_is_no_macaroon_is_refused_and_not_told(token):
    with pytest.raises(InputError, match="is none") as refused:
        parse_macaroon(token)
    assert len(token) < 9 or token not in str(refused.value)


def test_third_party_caveats_are_refused():
    packets = [b"location x", b"identifier y", b"cid z", b"vid v", b"signature " + bytes(32)]
    content = b"".join(b"%04x%s\n" % (len(each) + 5, each) for each in packets)
    with pytest.raises(InputError, match="third-party"):
        parse_macaroon(base64.urlsafe_b64encode(content).decode())
