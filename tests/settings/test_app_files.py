"""App definitions as they lie in directories: whose they are, and what a bad one does to the others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sciserver_hpc.app_files import MOST_BYTES, AppFiles
from tests.docs.pages import PAGES, fences

DEFINITION = "version: '1'\ntitle: {title}\ntested: true\n"


def put(directory: Path, name: str, title: str = "An app", **files: str) -> Path:
    place = directory / name
    place.mkdir(parents=True)
    (place / "app.yml").write_text(DEFINITION.format(title=title))
    (place / "start.sh").write_text("exec serve\n")
    for file, text in files.items():
        (place / file.replace("_", ".")).write_text(text)
    return place


@pytest.fixture
def apps(tmp_path: Path) -> Path:
    """A directory with one good app."""
    before = os.umask(0o022)
    directory = tmp_path / "apps"
    put(directory, "good")
    os.umask(before)
    return directory


def only(problems: list[str]) -> str:
    (problem,) = problems
    return problem


def test_an_app_is_its_definition_and_its_files(apps: Path) -> None:
    put(apps, "whole", save_sh="sync\n", card_md="# Whole\n", icon_svg="<svg/>")
    files = AppFiles([apps])
    assert list(files.apps()) == ["good", "whole"]
    whole = files.apps()["whole"]
    assert (whole.name, whole.start, whole.save) == ("whole", "exec serve\n", "sync\n")
    assert (whole.card, whole.icon) == ("# Whole\n", "<svg/>")
    assert (files.apps()["good"].save, files.apps()["good"].card) == (None, "")
    assert files.problems() == []


def test_a_change_is_seen_and_nothing_is_read_twice(apps: Path) -> None:
    files = AppFiles([apps])
    first = files.apps()["good"]
    assert files.apps()["good"] is first
    (apps / "good/app.yml").write_text(DEFINITION.format(title="Changed"))
    assert files.apps()["good"].title == "Changed"
    (apps / "good/save.sh").write_text("sync\n")
    assert files.apps()["good"].save == "sync\n"
    put(apps, "new")
    assert list(files.apps()) == ["good", "new"]


def test_the_first_directory_has_a_name_even_with_a_bad_app(apps: Path, tmp_path: Path) -> None:
    put(tmp_path / "site", "good", "The site's")
    put(tmp_path / "site", "own")
    files = AppFiles([tmp_path / "site", apps])
    assert files.apps()["good"].title == "The site's"
    assert list(files.apps()) == ["good", "own"]
    (tmp_path / "site/good/app.yml").write_text("title: [")
    assert list(files.apps()) == ["own"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title: [", "is no YAML in line 1"),
        ("- a", "holds no keys"),
        ("", "holds no keys"),
        ("a: !!python/object/apply:os.system [id]", "is no YAML"),
        ("version: 1\ntitle: x\ntested: true", "version: "),
        ("title: x\ntested: true", "version: is required"),
        ("name: other", "app.yml holds name, which the directory gives"),
        ("start: 'true'", "app.yml holds start, which start.sh gives"),
        ("[" * 5000, "is no YAML"),
        ("x" * (MOST_BYTES + 1), "is larger than"),
    ],
)
def test_a_bad_definition_is_told_and_the_others_stay(apps: Path, text: str, words: str) -> None:
    bad = put(apps, "bad")
    (bad / "app.yml").write_text(text)
    files = AppFiles([apps])
    assert list(files.apps()) == ["good"]
    problem = only(files.problems())
    assert problem.startswith(str(bad))
    assert words in problem


def test_an_app_without_its_files(apps: Path) -> None:
    (put(apps, "no-start") / "start.sh").unlink()
    (put(apps, "no-app") / "app.yml").unlink()
    (put(apps, "latin") / "start.sh").write_bytes(b"# \xe9\n")
    put(apps, "bad name")
    (apps / ".hidden").mkdir()
    (apps / "README.md").write_text("Not an app.\n")
    files = AppFiles([apps])
    assert list(files.apps()) == ["good"]
    told = "\n".join(files.problems())
    for words in (
        "no-start/app.yml: start: is required",
        "holds no app.yml",
        "start.sh is not UTF-8",
        "name: ",
    ):
        assert words in told
    assert len(files.problems()) == 4


@pytest.mark.parametrize("name", ["", "app.yml", "start.sh"])
@pytest.mark.parametrize("mode", [0o020, 0o002])
def test_what_others_may_write_is_refused(apps: Path, name: str, mode: int) -> None:
    path = put(apps, "loose") / name
    path.chmod(path.stat().st_mode | mode)
    files = AppFiles([apps])
    assert list(files.apps()) == ["good"]
    assert "may be written by others; run chmod go-w" in only(files.problems())
    path.chmod(path.stat().st_mode & ~mode)
    assert list(files.apps()) == ["good", "loose"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("name", ["", "app.yml", "start.sh"])
def test_what_somebody_else_owns_is_refused(apps: Path, name: str) -> None:
    os.chown(put(apps, "given") / name, 12345, -1)
    assert "belongs to uid 12345" in only(AppFiles([apps]).problems())


def test_a_directory_others_may_write_offers_nothing(apps: Path) -> None:
    apps.chmod(0o777)
    files = AppFiles([apps])
    assert files.apps() == {}
    assert only(files.problems()) == f"{apps}: may be written by others; run chmod go-w on it"


def test_links_are_refused(apps: Path, tmp_path: Path) -> None:
    elsewhere = put(tmp_path / "elsewhere", "app")
    (apps / "linked").symlink_to(elsewhere)
    (put(apps, "part") / "start.sh").unlink()
    (apps / "part/start.sh").symlink_to(elsewhere / "start.sh")
    (put(apps, "lost") / "save.sh").symlink_to("nowhere")
    files = AppFiles([apps])
    assert list(files.apps()) == ["good"]
    assert [problem.removeprefix(f"{apps}/") for problem in files.problems()] == [
        "linked: is a link; put the thing itself there",
        "lost: save.sh is a link; put the thing itself there",
        "part: start.sh is a link; put the thing itself there",
    ]


def test_a_pipe_is_not_waited_for(apps: Path) -> None:
    (put(apps, "pipe") / "start.sh").unlink()
    os.mkfifo(apps / "pipe/start.sh")
    assert "start.sh is no file" in only(AppFiles([apps]).problems())


def test_a_missing_directory_is_told(apps: Path, tmp_path: Path) -> None:
    files = AppFiles([tmp_path / "gone", apps])
    assert list(files.apps()) == ["good"]
    assert only(files.problems()) == f"{tmp_path / 'gone'}: No such file or directory"


def test_the_definition_that_the_documents_show_is_a_good_one(apps: Path) -> None:
    (page,) = (page for page in PAGES if page.name == "add-an-app.md")
    shown, beside = (fence.text for fence in fences(page) if fence.language == "yaml")
    place = put(apps, "dashboard", compose_yml=beside)
    (place / "app.yml").write_text(shown)
    files = AppFiles([apps])
    assert files.problems() == []
    assert files.apps()["dashboard"].check({"script": "a.py"})["hours"] == 2
    assert files.apps()["dashboard"].service_images == {"redis"}


# services --------------------------------------------------------------------------------------------
COMPOSE = "version: '2.0'\ninstances:\n  database: {image: postgres, exec: {command: serve}}\n"


def test_services_stand_in_a_compose_file(apps: Path) -> None:
    place = put(apps, "data", compose_yml=COMPOSE)
    files = AppFiles([apps])
    assert [one.image for one in files.apps()["data"].services] == ["postgres"]
    (place / "compose.yml").write_text(COMPOSE.replace("postgres", "mariadb"))
    assert [one.image for one in files.apps()["data"].services] == ["mariadb"]
    (place / "compose.yml").unlink()
    assert files.apps()["data"].services == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("instances: [", "compose.yml is no YAML in line 1"),
        ("", "compose.yml holds no keys"),
        (
            "version: 2\ninstances: {}",
            "compose.yml is no singularity-compose file: version: 2 is not of type",
        ),
        (COMPOSE.replace("postgres", "docker://postgres"), "compose.yml: instances.database.image: must be"),
        (
            COMPOSE.replace("image:", "ports: ['1:1'], image:"),
            "compose.yml: instances.database.ports: services",
        ),
        (COMPOSE.replace("image:", "environment: {A: b}, image:"), "environment: is no known field"),
    ],
)
def test_a_compose_file_that_asks_for_more_is_refused_with_a_sentence(
    apps: Path, text: str, words: str
) -> None:
    put(apps, "data", compose_yml=text)
    files = AppFiles([apps])
    assert words in only(files.problems())
    assert list(files.apps()) == ["good"]


def test_a_definition_holds_no_services_itself(apps: Path) -> None:
    place = put(apps, "data")
    (place / "app.yml").write_text(DEFINITION.format(title="x") + "services: []\n")
    assert "holds services, which compose.yml gives" in only(AppFiles([apps]).problems())


def test_a_compose_file_that_others_may_write_is_refused(apps: Path) -> None:
    (put(apps, "data", compose_yml=COMPOSE) / "compose.yml").chmod(0o666)
    assert "compose.yml may be written by others" in only(AppFiles([apps]).problems())
