"""Files from tape: asked for once, whoever goes on; faults of the store and of those who wait."""

from __future__ import annotations

import datetime as dt
import threading

import pytest
from dcaches import ROOT
from tapes import open_archive

from swath.model import NotAllowedError, StoreError
from swath.storage import client, recall, web
from swath.storage.recall import Recall
from swath.storage.recall_file import Pace, RecallFile, recall_file, stage_path, wait_for
from swath.storage.staging import tape_files

TWO_DAYS = dt.timedelta(days=2)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("swath.storage.recall_file.PACE", Pace(least_s=0.01, most_s=0.01))
    monkeypatch.setattr(web, "PATIENCE", client.Patience(retries=0, retries_s=1))


@pytest.fixture
def file(archive, tmp_path):
    """A recall of all five files that has not begun."""
    made = RecallFile(tmp_path / "stage.json")
    made.begin(tape_files(archive.hrefs), TWO_DAYS)
    return made


def names(hrefs):
    return sorted(each.rpartition("/")[2] for each in hrefs)


def test_they_are_asked_for_once_and_come(archive, file):
    first = file.advance()
    assert len(first.waiting) == 3
    assert first.words().startswith("waiting for 3 of 5 files from tape (")
    (order,) = first.orders
    assert len(order.keys) == 4  # the one on disk too, which might go before the others come
    assert Recall.from_dict(first.to_dict()) == first
    again = RecallFile(file.path)  # another process
    assert again.begin(tape_files(archive.hrefs), TWO_DAYS).orders == first.orders
    again.advance(force=True)
    archive.come()
    assert again.advance(force=True).is_over
    assert file.read().words() == "all 5 files are there"
    assert archive.asked() == 1
    assert archive.held() == [True] * 5
    assert file.let_go().is_released
    assert archive.held() == [False] * 4 + [True]


def test_one_that_fails_hides_no_other(archive, file):
    archive.dcache.fail_target(archive.path(1), "tape 17 is broken")
    file.advance()
    archive.come()
    moved = file.advance(force=True)
    assert moved.is_over
    assert list(moved.bad.values()) == ["tape 17 is broken"]
    assert len(moved.there) == 4
    archive.dcache.behave()
    assert not file.begin_again(retry_bad=False).former
    file.begin_again(retry_bad=True)
    file.advance(force=True)
    archive.come()
    assert len(file.advance(force=True).there) == 5
    file.let_go()
    assert archive.held() == [False] * 4 + [True]  # also what the first request held


def test_what_is_lost_is_told_and_the_rest_is_asked_for(archive, file):
    archive.dcache.set_locality(archive.path(0), "LOST")
    moved = file.advance()
    assert names(moved.bad) == ["scene0.tif"]
    assert len(moved.waiting) == 2


def test_nothing_is_asked_for_where_a_lost_file_ends_it_all(archive, file):
    archive.dcache.set_locality(archive.path(0), "LOST")
    moved = file.advance(skip_bad=False)
    assert (len(moved.bad), archive.asked()) == (1, 0)


@pytest.mark.parametrize("status", [429, 503])
def test_a_store_that_is_away_for_a_while_is_waited_for(archive, file, status):
    archive.dcache.fail(status=status, next=1, door="api", path="*/archiveinfo")
    moved = file.advance()
    assert "archive gives no answer now (" in moved.words()
    assert str(status) in moved.away["archive"]
    file.advance(force=True)
    archive.dcache.fail(status=status, next=3, door="api", path="*/tape/stage/*")
    said = []

    def tell(now):
        said.append(now.words())
        if len(said) == 3:
            archive.come()

    assert wait_for(file, tell).is_over
    assert sum("no answer" in each for each in said) == 3
    assert archive.asked() == 1


def test_a_store_that_stays_away_ends_the_waiting_and_not_the_request(archive, file, monkeypatch):
    file.advance()
    monkeypatch.setattr("swath.storage.recall_file.PACE", Pace(least_s=0.01, most_s=0.01, away_s=0.0))
    archive.dcache.fail(status=503, next=1000, door="api")
    with pytest.raises(StoreError, match="the request goes on"):
        wait_for(file, lambda _: None)
    archive.dcache.behave()
    archive.come()
    assert file.advance(force=True).is_over


def forget_requests(dcache):
    for each in dcache.bulk.all():
        dcache.bulk.clear(each, cancel=True)


def test_a_request_that_the_store_has_forgotten_is_made_again_once(archive, file):
    first = file.advance().orders[0]
    forget_requests(archive.dcache)
    (order,) = file.advance(force=True).orders
    assert order.request != first.request
    assert order.again == 1
    forget_requests(archive.dcache)
    moved = file.advance(force=True)
    assert names(moved.bad) == ["scene0.tif", "scene1.tif", "scene2.tif"]
    assert set(moved.bad.values()) == {"the store forgets the request for it"}
    assert archive.asked() == 2


def test_a_token_that_ends_while_files_are_waited_for(tmp_path):
    token = tmp_path / "token"
    with open_archive(tmp_path, user="", password="", credentials=f"token-file:{token}") as archive:

        def write_token():
            from dcaches import Client

            token.write_text(Client(archive.dcache).macaroon("activity:DOWNLOAD,LIST,STAGE", f"path:{ROOT}"))

        write_token()
        file = RecallFile(tmp_path / "stage.json")
        file.begin(tape_files(archive.hrefs), TWO_DAYS)
        assert len(file.advance().waiting) == 3
        archive.dcache.expire_tokens()
        moved = file.advance(force=True)
        assert "asks for credentials" in moved.away["archive"]
        write_token()
        archive.come()
        assert file.advance(force=True).is_over
        assert archive.asked() == 1


def test_who_may_not_ask_is_told_at_once(tmp_path):
    with open_archive(tmp_path, password="wrong") as archive:
        file = RecallFile(tmp_path / "stage.json")
        file.begin(tape_files(archive.hrefs), TWO_DAYS)
        with pytest.raises(NotAllowedError, match="401"):
            file.advance()


def test_what_two_need_stays_until_both_let_it_go(archive, tmp_path):
    mine, yours = (RecallFile(tmp_path / f"{each}.json") for each in ("mine", "yours"))
    files = tape_files(archive.hrefs)
    mine.begin(files, TWO_DAYS, holds=True)
    mine.advance()
    archive.come()
    mine.advance(force=True)
    yours.begin(files[:2], TWO_DAYS, holds=True)
    assert yours.advance().is_over  # on disk already, but asked for too
    mine.let_go()
    assert archive.held() == [True, True, False, False, True]
    yours.let_go()
    assert archive.held() == [False, False, False, False, True]


def test_several_who_look_at_once_ask_once(archive, file):
    threads = [threading.Thread(target=file.advance) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert archive.asked() == 1
    assert len(file.read().waiting) == 3


def test_looks_become_rarer(archive, file, monkeypatch):
    monkeypatch.setattr("swath.storage.recall_file.PACE", Pace(least_s=1000))
    file.advance()
    archive.come()
    archive.dcache.forget()
    assert not file.advance().is_over
    assert archive.dcache.requests() == []


def test_what_has_grown_old_is_asked_for_anew(archive, file, monkeypatch):
    file.advance()
    archive.come()
    file.advance(force=True)
    now = recall.time.time()
    monkeypatch.setattr(recall.time, "time", lambda: now + 3 * 86400)
    again = file.begin(tape_files(archive.hrefs), TWO_DAYS)
    assert (again.orders, len(again.former), len(again.there)) == ((), 1, 0)


def test_stopping_leaves_the_request(archive, file):
    stop = threading.Event()
    assert not wait_for(file, lambda _: stop.set(), stop=stop).is_over
    archive.come()
    assert file.advance(force=True).is_over
    assert archive.asked() == 1


def test_a_recall_is_found_by_its_name_and_by_the_stores(archive, tmp_path):
    file = recall_file(tmp_path, tape_files(archive.hrefs))
    file.begin(tape_files(archive.hrefs), TWO_DAYS)
    request = file.advance().orders[0].request
    assert stage_path(tmp_path, file.path.stem) == file.path
    assert stage_path(tmp_path, request) == file.path
    assert stage_path(tmp_path, "../none") is None


def test_many_files_are_several_requests_of_which_none_is_left_when_one_is_refused(archive, tmp_path):
    archive.dcache.tape.drives = 600
    for number in range(501):
        archive.dcache.put(f"{ROOT}/tape/n{number:03}", b"x", locality="NEARLINE")
    base = archive.dcache.webdav_url
    files = tape_files({f"{base}{ROOT}/tape/n{number:03}": 1 for number in range(501)})
    file = RecallFile(tmp_path / "many.json")
    file.begin(files, TWO_DAYS)
    archive.dcache.bulk.most_requests = 1
    moved = file.advance()
    assert "429" in moved.away["archive"]
    assert {each.status for each in archive.dcache.bulk.all()} <= {"CANCELLED", "COMPLETED"}
    archive.dcache.bulk.most_requests = 5000
    assert len(file.advance(force=True).orders[0].request.split(",")) == 2
    archive.come()
    assert len(file.advance(force=True).there) == 501
