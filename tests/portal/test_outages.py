"""What is down is told to machines as well as to people."""

from __future__ import annotations

from .house import House


def test_readiness_names_what_is_away(house: House) -> None:
    assert house.browser().get("/readyz").json["outages"] == []
    house.store.note("cluster:default", {"ok": False, "problem": "slurm does not answer: timed out"})
    answer = house.browser().get("/readyz")
    assert answer.json["status"] == "ready"
    assert answer.json["outages"] == [
        {"system": "Cluster default", "text": "slurm does not answer: timed out"}
    ]
