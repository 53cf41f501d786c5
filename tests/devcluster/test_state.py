"""The state directory: only our own, never somebody else's files."""

import os
import socket
import stat
from pathlib import Path

import pytest

from sciserver_hpc.devcluster.errors import Failed
from sciserver_hpc.devcluster.state import MARK, State, free_port


def test_made_twice_it_keeps_what_it_holds(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    state.make()
    secret = state.secret("one")
    state.make()
    assert state.secret("one") == secret
    assert stat.S_IMODE((state.secrets / "one").stat().st_mode) == 0o600


def test_a_directory_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(Failed, match="not ours"):
        State(tmp_path).make()


def test_a_directory_others_may_write_to_is_refused(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    state.make()
    state.root.chmod(0o777)
    with pytest.raises(Failed, match="others may write"):
        state.check()


def test_a_link_to_a_directory_is_refused(tmp_path: Path) -> None:
    target = State(tmp_path / "target")
    target.make()
    link = tmp_path / "link"
    link.symlink_to(target.root)
    with pytest.raises(Failed):
        State(link).remove()
    assert target.exists


def test_nothing_is_removed_without_our_mark(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.touch()
    with pytest.raises(Failed, match="not a state directory"):
        State(tmp_path).remove()
    assert kept.exists()


@pytest.mark.parametrize("path", ["/", "/var"])
def test_a_system_directory_is_never_ours(path: str) -> None:
    with pytest.raises(Failed):
        State(Path(path)).remove()


def test_removed_with_everything_in_it(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    state.make()
    (state.run / "file").touch()
    state.remove()
    assert not state.root.exists()


def test_a_port_is_kept_and_never_given_twice(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    state.make()
    one, two = state.port("one"), state.port("two")
    assert one != two
    assert (state.port("one"), State(state.root).port("two")) == (one, two)


def test_a_busy_port_is_passed_over() -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        assert free_port(busy.getsockname()[1]) != busy.getsockname()[1]


def test_a_port_somebody_took_meanwhile_is_given_up(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    state.make()
    kept, lost = state.port("kept"), state.port("lost")
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", lost))
        busy.listen()
        state.drop_busy_ports()
        assert state.facts()["ports"] == {"kept": kept}
        assert state.port("lost") != lost


def test_a_file_has_its_mode_from_the_first_moment(tmp_path: Path) -> None:
    path = State.write(tmp_path / "secret", "x", mode=0o400, owner=(os.getuid(), os.getgid()))
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    assert [p.name for p in tmp_path.iterdir()] == ["secret"]


def test_the_mark_says_whose_it_is(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    assert not state.exists
    state.make()
    assert (state.root / MARK).exists()
