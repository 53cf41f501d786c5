"""sbatch's options."""

from __future__ import annotations

import pytest

from sciserver_hpc.domain.jobs import Dependency, DependencyType
from sciserver_hpc.domain.resources import Resources
from sciserver_hpc.render.sbatch import options

from . import samples


def values(*args: object, **changes: object) -> dict[str, str]:
    ids = dict(args[0]) if args else {}  # type: ignore[call-overload]
    pairs = (option[2:].partition("=") for option in options(samples.spec(**changes), ids))
    return {name: value for name, _, value in pairs}


def test_every_option_is_one_word_with_its_value() -> None:
    assert all(option.startswith("--") for option in options(samples.SHELL, {}))
    assert values()["job-name"] == f"sun_s_spots____id_.{samples.UUID}"


def test_time_is_rounded_up_to_whole_minutes() -> None:
    assert values(resources=Resources(time_limit_s=60))["time"] == "1"
    assert values(resources=Resources(time_limit_s=61))["time"] == "2"


def test_a_job_is_told_before_its_time_limit_where_it_asks_and_never_as_it_begins() -> None:
    hour = Resources(time_limit_s=3600)
    assert values(warn_s=90, resources=hour)["signal"] == "B:USR1@90"
    assert values(warn_s=90, resources=Resources(time_limit_s=60))["signal"] == "B:USR1@15"
    assert "signal" not in values(resources=hour)


def test_percent_in_a_path_is_not_a_pattern() -> None:
    asked = values(results_root="/srv/100%j")
    assert asked["output"] == "/srv/100%%j/2026-11-23/20261123-220000-7/.sciserver/slurm-%j.out"
    assert asked["chdir"].startswith("/srv/100%j/")


def test_account_and_qos_are_left_out_where_the_domain_has_none() -> None:
    assert not {"account", "qos"} & set(values(account=None, qos=None))


def test_gpus_are_asked_per_node_and_only_when_wanted() -> None:
    assert values(resources=Resources(gpus=2))["gres"] == "gpu:2"
    assert "gres" not in values()


def test_dependencies_name_slurm_ids_and_all_must_hold() -> None:
    wanted = (Dependency(job=3), Dependency(job=4, type=DependencyType.AFTERANY))
    asked = values({3: 300, 4: 400}, dependencies=wanted)
    assert asked["dependency"] == "afterok:300,afterany:400"
    assert asked["kill-on-invalid-dep"] == "yes"


def test_a_dependency_without_slurm_id_is_an_error_and_never_dropped() -> None:
    with pytest.raises(KeyError):
        options(samples.ARRAY, {3: 300})


def test_finding_2_nothing_of_the_submitters_environment_is_exported() -> None:
    asked = values()
    assert "export" not in asked, "22.05 runs the login shell for --export=NONE, NIL and lists"
    assert asked["export-file"].endswith("/.sciserver/environment")
