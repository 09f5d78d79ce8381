from pathlib import Path

from ssms.demo.journal import Acknowledged, Journal, read_journal


def test_what_was_asked_and_not_acknowledged_is_in_flight(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    assert read_journal(path).in_flight == []
    journal = Journal(path)
    journal.ask(1, 10.0)
    journal.ask(2, 11.0)
    journal.acknowledge(1, 12.0, 2.0)
    requests = read_journal(path)
    journal.close()
    assert requests.in_flight == [2]
    assert requests.acknowledged == {1: Acknowledged(12.0, 2.0)}


def test_a_request_that_is_repeated_counts_from_its_first_time(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_text("ask 1 10.0\nask 1 20.0\n")
    assert read_journal(str(path)).asked == {1: 10.0}


def test_a_last_line_that_was_cut_short_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_text("ask 1 10.0\nack 1 11.0 0.")
    assert read_journal(str(path)).in_flight == [1]
