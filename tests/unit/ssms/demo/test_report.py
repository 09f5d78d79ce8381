from dataclasses import replace

from ssms.demo.report import Kill, flight_of


def test_a_kill_that_interrupted_nothing_is_told_as_such() -> None:
    kill = Kill(killed_at=1.0, acknowledged=50, in_flight=3, open_seconds=0.01, back_at=1.2)
    assert flight_of(kill) == "with 3 in flight"
    assert "nothing in flight" in flight_of(replace(kill, in_flight=0))
