"""A session on its node, in small: folders, times, last words."""

from __future__ import annotations

import datetime as dt
import stat

from swath.sites.session.host import last_line, node_name, private_folder, slurm_end, write_private
from swath.sites.session.values import SessionOrder, SessionState, parse_report


def test_the_private_folder_is_closed_to_others_and_its_path_is_short(tmp_path, monkeypatch):
    long = tmp_path / ("deep" * 20)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    monkeypatch.setattr("tempfile.tempdir", str(long))
    made = private_folder("jupyterlab-123456")
    try:
        assert stat.S_IMODE(made.stat().st_mode) == 0o700
        assert len(str(made)) < 60
    finally:
        made.rmdir()


def test_the_private_folder_is_where_the_system_wants_it(tmp_path_factory, monkeypatch):
    short = tmp_path_factory.mktemp("r")
    if len(str(short)) > 30:
        monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
        short = None
    else:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    made = private_folder("x-1")
    assert short is None or made.parent == short
    made.rmdir()


def test_what_is_written_for_the_user_only_is_so_whatever_the_umask(tmp_path):
    write_private(tmp_path / "session.json", {"state": "ready", "node": "n1"})
    assert stat.S_IMODE((tmp_path / "session.json").stat().st_mode) == 0o600
    report = parse_report((tmp_path / "session.json").read_text())
    assert (report.state, report.node) == (SessionState.READY, "n1")


def test_the_end_is_what_slurm_says(monkeypatch):
    end = dt.datetime(2026, 11, 21, 19, tzinfo=dt.UTC)
    assert slurm_end({"SLURM_JOB_END_TIME": str(int(end.timestamp()))}) == "2026-11-21T19:00:00+00:00"
    assert slurm_end({}) == ""
    monkeypatch.setenv("PATH", "/nowhere")
    assert slurm_end({"SLURM_JOB_ID": "4"}) == ""


def test_the_node_is_named_as_slurm_names_it():
    assert node_name({"SLURMD_NODENAME": "n7"}) == "n7"
    assert node_name({})


def test_the_last_words_of_a_log_are_found(tmp_path):
    log = tmp_path / "log.txt"
    assert last_line(log) == ""
    log.write_text("x" * 9000 + "\nModuleNotFoundError: no\n\n")
    assert last_line(log) == "ModuleNotFoundError: no"


def test_orders_and_reports_of_a_later_version_are_read():
    text = '{"id": "a-1", "app": "a", "title": "A", "site": "s", "created": "", "script": ["x"], "new": 1}'
    assert SessionOrder.parse(text).script == ("x",)
    assert parse_report('{"state": "ready", "node": "n", "new": 1}').node == "n"
    assert parse_report('{"state": "flying", "node": "n"}') is None
    assert parse_report("[]") is None
