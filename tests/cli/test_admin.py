"""sciserver-hpc: database, settings, services' commands, and every check well and ill."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sciserver_hpc import session_ca, wiring
from sciserver_hpc import settings as settings_module
from sciserver_hpc.cli import checks, service
from sciserver_hpc.cli.admin import admin
from sciserver_hpc.directory import static
from sciserver_hpc.domain.catalogue import Site
from sciserver_hpc.domain.errors import Unavailable
from sciserver_hpc.domain.people import Person
from sciserver_hpc.domain.unix_groups import UnixEntry, UnixGroup
from sciserver_hpc.domain.volumes import RootVolume
from sciserver_hpc.mailing import MailServer, SmtpMailer
from tests.fakes.agents import FakeAgents
from tests.fakes.group_directory import FakeGroupDirectory
from tests.fakes.portal import FakePortal
from tests.fakes.scheduler import FakeScheduler

SCONTROL = """\
Configuration data as of 2026-03-01T12:00:00
TaskPlugin              = {plugin}

Cgroup Support Configuration:
ConstrainCores          = {cores}
ConstrainRAMSpace       = yes

Slurmctld(primary) at head is UP
"""


@pytest.fixture
def site(home: Path, portal: FakePortal, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings and catalogue of a small site; returns the settings' file."""
    (home / "run").mkdir(mode=0o700)
    for name, text in (("key", "k3y" * 20), ("users.toml", _users())):
        (home / name).write_text(text)
        (home / name).chmod(0o600)
    _program(home, "sinfo", "batch\ngpu\n")
    _program(home, "scontrol", SCONTROL.format(plugin="task/cgroup,task/affinity", cores="yes"))
    _program(home, "apptainer", "apptainer version 1.4.5\n")
    _program(home, "squashfuse_ll", "")
    monkeypatch.setenv("PATH", f"{home / 'bin'}:{os.environ['PATH']}")
    image = home / "python.sif"
    image.write_bytes(b"SIF")
    (home / "site.toml").write_text(_catalogue(image))
    file = home / "sciserver.toml"
    file.write_text(_settings(home, portal.url))
    monkeypatch.setenv("SCISERVER_CONFIG", str(file))
    return file


def _users() -> str:
    return static.entry(Person(username="alice", uid=2001, gid=2001, full_name="Alice"), "wonderland in 1865")


def _program(home: Path, name: str, output: str, code: int = 0) -> None:
    (home / "bin").mkdir(exist_ok=True)
    path = home / "bin" / name
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{output}END\nexit {code}\n")
    path.chmod(0o755)


def _settings(home: Path, url: str) -> str:
    return f"""
[portal]
url = "{url}"
bind = "unix:{home}/run/portal.sock"
secret_key_file = "{home}/key"
runtime_dir = "{home}/run"
[database]
url = "sqlite:///{home}/sciserver.db"
[directory]
kind = "static"
users_file = "{home}/users.toml"
[clusters.default]
bin_dir = "{home}/bin"
[images]
apptainer = "{home}/bin/apptainer"
[catalogue]
file = "{home}/site.toml"
"""


def _catalogue(image: Path) -> str:
    status = image.stat()
    return f"""
[[domains]]
name = "batch"
partition = "batch"
images = ["python"]
[[images]]
name = "python"
version = "1.0"
path = "{image}"
sha256 = "{hashlib.sha256(b"SIF").hexdigest()}"
size = {status.st_size}
mtime_ns = {status.st_mtime_ns}
[[root_volumes]]
name = "Storage"
path = "{image.parent}"
[[grants]]
subject = {{kind = "everyone"}}
action = "use"
resource = {{kind = "domain", name = "batch"}}
"""


def run(*words: str, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(admin, words, input=stdin)
    assert "Traceback" not in result.output
    return result


@pytest.fixture
def house(site: Path) -> Iterator[checks.Site]:
    """The site with its database filled, a cluster in memory, and agents that answer."""
    assert run("db", "upgrade").exit_code == 0
    assert run("db", "apply", "--yes").exit_code == 0
    settings = settings_module.load()
    built = wiring.build(settings)
    services = dataclasses.replace(
        built, schedulers={"default": FakeScheduler(built.clock)}, agents=FakeAgents()
    )
    yield checks.Site(settings, services, "alice")
    built.close()


def found(house: checks.Site, *names: str) -> dict[str, checks.Verdict]:
    return {verdict.name: verdict for verdict in checks.run(list(names), house)}


def test_a_database_from_nothing(site: Path) -> None:
    assert run("db", "current").exit_code == 1
    assert run("db", "upgrade").stdout.startswith("The database is at revision")
    assert run("db", "upgrade").exit_code == 0
    assert run("db", "current").exit_code == 0


def test_the_catalogue_is_applied_with_its_difference(site: Path, home: Path) -> None:
    run("db", "upgrade")
    lines = [
        "+ domain batch",
        "+ image python",
        "+ root volume Storage",
        "+ grant everyone: use domain batch",
    ]
    assert run("db", "apply", "--dry-run").stdout.splitlines() == lines
    assert run("db", "apply", "--yes").stdout.splitlines() == [*lines, f"Applied {home}/site.toml."]
    assert run("db", "apply").stdout == "No difference.\n"
    text = (home / "site.toml").read_text()
    changed = (
        text.replace('"1.0"', '"1.1"')
        .replace("everyone", "user")
        .replace('kind = "user"', 'kind = "user", name = "alice"')
    )
    (home / "other.toml").write_text(changed)
    assert run("db", "apply", "--diff", str(home / "other.toml")).stdout.splitlines() == [
        "~ image python",
        "    version: 1.0 → 1.1",
        "+ grant user alice: use domain batch",
        "- grant everyone: use domain batch",
    ]


def test_the_catalogue_is_changed_only_once_that_is_agreed_to(site: Path) -> None:
    run("db", "upgrade")
    for answer in ("n\n", ""):
        refused = run("db", "apply", stdin=answer)
        assert (refused.exit_code, "Make these 4 changes? (--yes does not ask)" in refused.stderr) == (
            1,
            True,
        )
    assert len(run("db", "apply", "--diff").stdout.splitlines()) == 4
    assert run("db", "apply", stdin="y\n").exit_code == 0
    assert run("db", "apply", "--diff").stdout == "No difference.\n"


def test_the_trail_tells_who_applied_what(site: Path) -> None:
    run("db", "upgrade")
    told = json.loads(run("db", "apply", "--yes", "--json").stdout)
    assert [(one["sign"], one["what"]) for one in told][:1] == [("+", "domain batch")]
    store = wiring.build_store(settings_module.load())
    entries = store.audit()
    store.close()
    me = pwd.getpwuid(os.getuid()).pw_name[:32]
    assert {entry.who for entry in entries} == {me}
    assert [(entry.act, str(entry.on)) for entry in entries] == [
        ("grant", "domain batch"),
        ("site.add", "root volume Storage"),
        ("site.add", "image python"),
        ("site.add", "domain batch"),
    ]


def test_slips_of_the_pen_are_told(site: Path, home: Path) -> None:
    run("db", "upgrade")
    (home / "slips.toml").write_text(
        """
[[domains]]
name = "batch"
partition = "batch"
images = ["pyton"]
[[limits]]
subject = {kind = "everyone"}
domain = "bach"
jobs = 3
"""
    )
    result = run("db", "apply", "--diff", str(home / "slips.toml"))
    assert result.stderr.splitlines() == [
        "warning: domain batch names image pyton, which is not there.",
        "warning: a limit of everyone names domain bach, which is not there.",
    ]
    assert result.stdout.splitlines()[-1] == "+ limit everyone in domain bach: 3 jobs"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[domains]]\nname = 'x y'\npartition = 'p'\n", "domains.0.name: "),
        ("[[dom", "it is not TOML"),
        ("[[planets]]\nname = 'x'\n", "planets: is no known field"),
        ("[[limits]]\nsubject = {kind = 'everyone'}\n", "limits.0: give at least one of: jobs, cpus, gpus"),
        ("[[domains]]\nname = 'x'\npartition = 'p'\n" * 2, "domains: x is there twice"),
    ],
)
def test_a_bad_catalogue_is_told_and_not_applied(site: Path, home: Path, text: str, said: str) -> None:
    run("db", "upgrade")
    (home / "bad.toml").write_text(text)
    result = run("db", "apply", str(home / "bad.toml"))
    assert (result.exit_code, said in result.stderr) == (2, True)


def test_a_database_without_tables_is_a_temporary_failure_with_a_remedy(site: Path) -> None:
    result = run("db", "apply")
    assert (result.exit_code, "sciserver-hpc db upgrade" in result.stderr) == (75, True)


def test_settings_are_shown(site: Path) -> None:
    assert f'url = "sqlite:///{site.parent}/sciserver.db"' in run("show-config").stdout
    assert "k3y" not in run("show-config").stdout
    assert "| `tick_s` |" in run("show-config", "--reference").stdout


def test_a_secret_others_can_read_keeps_services_from_starting(site: Path, home: Path) -> None:
    (home / "key").chmod(0o644)
    for verb in ("serve", "broker", "check"):
        result = run(verb)
        assert (result.exit_code, "chmod 600" in result.stderr) == (2, True)


def test_gunicorn_is_told_what_the_settings_say(site: Path, home: Path) -> None:
    argv = service.gunicorn(settings_module.load())
    assert {"portal.wsgi:app", f"--bind=unix:{home}/run/portal.sock", "--workers=2"} <= set(argv)


def test_everything_is_well(house: checks.Site) -> None:
    verdicts = found(house, "secrets", "db", "ldap", "slurm", "images", "apps", "volumes", "agent")
    assert [name for name, verdict in verdicts.items() if not verdict.ok] == []
    assert verdicts["slurm default partitions"].text == "batch"
    assert verdicts["images apptainer"].text == "apptainer version 1.4.5"
    assert all(not verdict.remedy for verdict in verdicts.values())


def test_apps_are_told_with_what_is_wrong_with_them(house: checks.Site, home: Path) -> None:
    (home / "apps/bad").mkdir(parents=True)
    (home / "apps/bad/app.yml").write_text("title: [")
    sessions = house.settings.sessions.model_copy(update={"apps": (home / "apps",)})
    settings = house.settings.model_copy(update={"sessions": sessions})
    images = house.services.store.images()
    offering = tuple(one.model_copy(update={"apps": ("ide",)}) for one in images)
    house.services.store.apply_site(Site(images=offering))
    verdicts = found(dataclasses.replace(house, settings=settings), "apps")
    assert verdicts["apps jupyterlab"].ok
    assert verdicts["apps rstudio"].text.endswith("not tried by the project")
    assert not verdicts[f"apps {home}/apps/bad"].ok
    assert verdicts["apps of image python"].text == "there is no ide"


def test_a_site_without_sessions_has_nothing_to_check(house: checks.Site) -> None:
    assert found(house, "sessions")["sessions"].text == "there are none ([sessions] domain is empty)"


def test_sessions_want_their_keys_and_their_server_in_nginx(house: checks.Site, home: Path) -> None:
    own = {"domain": "sessions.example.org", "ca_dir": home / "sessions-ca"}
    sessions = house.settings.sessions.model_copy(update=own)
    site = dataclasses.replace(house, settings=house.settings.model_copy(update={"sessions": sessions}))
    keys = found(site, "sessions")["sessions keys"]
    assert not keys.ok and "sciserver-hpc sessions-ca" in keys.remedy
    session_ca.create(own["ca_dir"], house.services.clock.now())
    verdicts = found(site, "sessions")
    assert verdicts["sessions keys"].ok
    assert not verdicts["sessions sessions.example.org"].ok


def test_finding_9_a_slurm_without_security_fixes_is_told(house: checks.Site) -> None:
    cluster = house.services.schedulers["default"]
    assert isinstance(cluster, FakeScheduler)
    cluster.version = "slurm 22.05.8"
    verdict = found(house, "slurm")["slurm default version"]
    assert verdict.ok
    assert "slurm 22.05 gets no security fixes" in str(verdict)
    cluster.version = "slurm 26.05.4"
    assert "slurm default version" not in found(house, "slurm")


def test_finding_10_a_host_that_would_unpack_every_image_is_told(
    house: checks.Site, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "bin" / "squashfuse_ll").unlink()
    monkeypatch.setenv("PATH", str(home / "bin"))
    verdict = found(house, "images")["images squashfuse"]
    assert verdict.ok
    assert "unpacks" in verdict.text
    assert "install squashfuse" in verdict.remedy


def test_a_cluster_that_lacks_a_partition(house: checks.Site, home: Path) -> None:
    _program(home, "sinfo", "gpu\n")
    verdict = found(house, "slurm")["slurm default partitions"]
    assert str(verdict) == (
        "FAIL slurm default partitions: missing: batch (domain batch) — "
        "Slurm has gpu; correct the catalogue and apply it"
    )


def test_limits_nobody_enforces_are_said(house: checks.Site, home: Path) -> None:
    _program(home, "scontrol", SCONTROL.format(plugin="task/cgroup", cores="no"))
    said = [str(verdict) for verdict in checks.run(["slurm"], house) if "limits" in verdict.name]
    assert said[0] == "ok   slurm default limits: memory limits are enforced by cgroups"
    assert "CPU limits are NOT enforced" in said[1]
    assert "ConstrainCores=yes" in said[1]


def through_slurmrestd(house: checks.Site) -> checks.Site:
    cluster = house.settings.clusters["default"].model_copy(update={"submit_through": "slurmrestd"})
    settings = house.settings.model_copy(update={"clusters": {"default": cluster}})
    return dataclasses.replace(house, settings=settings)


def test_plugins_that_act_in_sbatch_are_told_where_jobs_pass_them_by(house: checks.Site, home: Path) -> None:
    stack = home / "plugstack.conf"
    stack.write_text("required tmp.so\n")
    lines = f"CliFilterPlugins = lua\nPlugStackConfig = (null)\nSLURM_CONF = {home}/slurm.conf\n"
    _program(home, "scontrol", lines)
    said = found(through_slurmrestd(house), "slurm")["slurm default slurmrestd"]
    assert said.ok
    assert said.text == f"CliFilterPlugins=lua and {stack} do not act when jobs are handed over"
    assert 'submit_through = "sbatch" in [clusters.default]' in said.remedy
    assert "slurm default slurmrestd" not in found(house, "slurm")


def test_without_such_plugins_nothing_is_said(house: checks.Site, home: Path) -> None:
    _program(home, "scontrol", f"CliFilterPlugins = (null)\nPlugStackConfig = {home}/none.conf\n")
    assert "slurm default slurmrestd" not in found(through_slurmrestd(house), "slurm")


def test_a_slurmrestd_that_cannot_be_started_is_told_with_a_remedy(house: checks.Site) -> None:
    agents = house.services.agents
    assert isinstance(agents, FakeAgents)
    assert found(through_slurmrestd(house), "agent")["agent slurmrestd"].remedy == ""
    agents.shut = "Unable to find plugin: rest_auth/local"
    said = found(through_slurmrestd(house), "agent")["agent slurmrestd"]
    assert said.ok
    assert str(said).count("rest_auth/local") == 2
    assert "jobs go by sbatch" in said.text
    assert "agent slurmrestd" not in found(house, "agent")


def test_accounting_that_is_away(house: checks.Site) -> None:
    cluster = house.services.schedulers["default"]
    assert isinstance(cluster, FakeScheduler)
    cluster.accounting_down = True
    verdicts = found(house, "slurm")
    assert verdicts["slurm default squeue"].ok
    assert not verdicts["slurm default sacct"].ok
    assert "slurmdbd" in verdicts["slurm default sacct"].remedy


def test_an_image_that_changed_or_went(house: checks.Site, home: Path) -> None:
    (home / "python.sif").write_bytes(b"other")
    assert "changed since it was catalogued" in found(house, "images")["images python"].text
    (home / "python.sif").unlink()
    assert "cannot be read" in found(house, "images")["images python"].text
    (home / "bin" / "apptainer").unlink()
    assert not found(house, "images")["images apptainer"].ok


def test_root_volumes_that_keep_acls_and_those_that_do_not(house: checks.Site, home: Path) -> None:
    assert str(found(house, "volumes")["volumes Storage"]) == f"ok   volumes Storage: {home} keeps POSIX ACLs"
    roots = (RootVolume(name="Plain", path="/proc"), RootVolume(name="Gone", path=f"{home}/gone"))
    house.services.store.apply_site(Site(root_volumes=roots))
    verdicts = found(house, "volumes")
    assert {name: verdict.ok for name, verdict in verdicts.items()} == {
        "volumes Plain": False,
        "volumes Gone": False,
    }
    assert "/proc keeps no POSIX ACLs and no default ACLs — grants cannot be kept" in str(
        verdicts["volumes Plain"]
    )
    assert "gone: no such file or directory — mount it here" in str(verdicts["volumes Gone"])


def test_the_folder_of_the_user_named_as_their_agent_finds_it(house: checks.Site, home: Path) -> None:
    agents, name = FakeAgents(), "volumes Storage alice"
    services = dataclasses.replace(house.services, agents=agents)  # type: ignore[arg-type]
    site = dataclasses.replace(house, services=services, user="alice")
    agents.make_directory(str(home), 0)
    assert found(site, "volumes")[name].ok
    assert "not there yet" in found(site, "volumes")[name].text
    agents.make_directory(f"{home}/alice", 2001)
    assert found(site, "volumes")[name].text == f"{home}/alice names 0 others in its ACL"
    agents.fail(2001, Unavailable("agent", "it does not start"))
    assert "check agent --user alice" in found(site, "volumes")[name].remedy
    agents.heal(2001)
    inodes = agents.acls.inodes
    inodes[f"{home}/alice"] = inodes[f"{home}/alice"].model_copy(update={"uid": 2002})
    assert "belongs to uid 2002" in found(site, "volumes")[name].text
    assert name not in found(dataclasses.replace(site, user="mallory"), "volumes")


def with_branch(house: checks.Site, **changes: object) -> tuple[checks.Site, FakeGroupDirectory]:
    """The same site, where groups of the portal may be Unix groups."""
    branch = FakeGroupDirectory()
    own = house.settings.unix_groups.model_copy(
        update={"branch": "ou=portal", "first_gid": 7001, "last_gid": 7002, **changes}
    )
    services = dataclasses.replace(house.services, group_directory=branch)
    settings = house.settings.model_copy(update={"unix_groups": own})
    return dataclasses.replace(house, settings=settings, services=services), branch


BRANCH = ("ldap unix groups", "ldap unix groups numbers", "ldap unix groups names")


def test_the_branch_for_unix_groups_is_tried(house: checks.Site) -> None:
    assert not set(BRANCH) & set(found(house, "ldap"))
    site, _ = with_branch(house)
    verdicts = found(site, "ldap")
    assert [verdicts[name].ok for name in BRANCH] == [True] * 3
    assert "0 of 2 given" in verdicts[BRANCH[1]].text


def test_what_is_wrong_with_the_branch_is_told_with_a_remedy(house: checks.Site) -> None:
    site, branch = with_branch(house)
    branch.elsewhere = {"carol": 7002, "portal-staff": 9}
    branch.entries["x"] = UnixEntry(name="x", gid=8, members=frozenset(), ours=True)
    verdicts = found(site, "ldap")
    assert [verdicts[name].ok for name in BRANCH] == [True, False, False]
    assert "7002 is carol's" in str(verdicts[BRANCH[1]]) and "widen" in str(verdicts[BRANCH[1]])
    assert "portal-staff, x" in str(verdicts[BRANCH[2]])
    for number in (7001, 7002):
        row = UnixGroup(group=f"g{number}", name=f"portal-g{number}", gid=number)
        site.services.store.add_unix_group(row)
    assert found(site, "ldap")[BRANCH[1]].text == "all are given"
    branch.down = True
    verdict = found(site, "ldap")[BRANCH[0]]
    assert not verdict.ok and "let [unix_groups] bind_dn" in verdict.remedy
    assert BRANCH[1] not in found(site, "ldap")


def test_an_agent_of_somebody_unknown(house: checks.Site) -> None:
    assert not found(dataclasses.replace(house, user="mallory"), "agent")["agent"].ok
    assert "--user" in found(dataclasses.replace(house, user=""), "agent")["agent"].remedy


def test_a_proxy_that_does_not_pass_on(house: checks.Site, portal: FakePortal) -> None:
    name = f"proxy {portal.url}"
    assert found(house, "proxy")[name].text == "answers 401"
    portal.healthy = True
    assert found(house, "proxy")[name].ok


def test_a_broker_that_sleeps(house: checks.Site) -> None:
    assert "never" in found(house, "broker")["broker"].text
    now = house.services.clock.now()
    house.services.store.note("broker", {"at": now.isoformat(), "active": 3})
    assert found(house, "broker")["broker"].ok
    house.services.store.note("broker", {"at": (now - 2 * checks.LATE).isoformat()})
    assert not found(house, "broker")["broker"].ok


def test_check_ends_with_1_when_anything_fails(site: Path) -> None:
    result = run("check", "db", "secrets")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[0] == "ok   secret portal.secret_key_file: well kept"
    assert result.stdout.splitlines()[1].startswith("FAIL db: ")
    assert [row["ok"] for row in json.loads(run("check", "--json", "db", "secrets").stdout)] == [True, False]
    run("db", "upgrade")
    assert run("check", "db", "secrets").exit_code == 0


def test_an_entry_is_changed_from_the_command_line(house: checks.Site) -> None:
    store = house.services.store
    change = ("admin", "domains", "set", "batch", "limits.cpus=32", "limits.time_limit_s=8:00:00")
    lines = ["~ domain batch", "    limits.cpus: none → 32", "    limits.time_limit_s: none → 28800"]
    assert run(*change, "--diff").stdout.splitlines() == lines
    assert run(*change, stdin="n\n").exit_code == 1
    assert store.domains()[0].limits.cpus is None
    assert run(*change, "--yes").stdout.splitlines() == [*lines, "Saved."]
    assert store.domains()[0].limits.time_limit_s == 28800
    assert store.audit(limit=1)[0].who == pwd.getpwuid(os.getuid()).pw_name
    assert run(*change).stdout == "No difference.\n"
    assert run("admin", "domains", "set", "batch", "limits.cpus=", "--yes").exit_code == 0
    assert store.domains()[0].limits.cpus is None


def test_entries_are_added_shown_listed_and_removed(house: checks.Site) -> None:
    for name, words in (
        ("volumes", ("sunspots", "path=/data/sunspots", "description=Since 1700")),
        ("roots", ("Temporary", "path=/scratch", "kind=temporary")),
        ("limits", ("group:survey@batch", "cpus=64")),
        ("limits", ("everyone", "jobs=9")),
    ):
        added = run("admin", name, "set", *words, "--yes")
        assert added.exit_code == 0 and added.stdout.startswith("+ ")
        shown = run("admin", name, "show", words[0]).stdout
        assert words[1].partition("=")[2] in shown
        assert words[0] in run("admin", name, "list").stdout
        assert json.loads(run("admin", name, "list", "--json").stdout)
        assert run("admin", name, "remove", words[0], "--yes").exit_code == 0
        missing = run("admin", name, "show", words[0])
        assert (missing.exit_code, "There is no" in missing.stderr) == (1, True)


def test_an_unknown_group_is_told_as_a_likely_slip(house: checks.Site) -> None:
    told = run("admin", "limits", "set", "group:surevy", "jobs=3", "--diff")
    assert "warning: group surevy is not known here so far." in told.stderr


def test_an_image_is_taken_from_its_file(house: checks.Site, home: Path) -> None:
    path = home / "new.sif"
    path.write_bytes(b"\0" * 32 + b"SIF_MAGIC\0")
    assert run("admin", "images", "set", "new", "version=1", f"path={path}", "--yes").exit_code == 0
    assert house.services.store.images()[-1].size == path.stat().st_size
    wrong = run("admin", "images", "set", "new", f"sha256={'0' * 64}")
    assert (wrong.exit_code, "sha256=: the file's digest is another" in wrong.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("domains", "set", "batch", "limits.cpus=many"), "limits.cpus=: is no whole number"),
        (("domains", "set", "new"), "partition=: is required"),
        (("domains", "set", "batch", "name=other"), "name=: is not changed"),
        (("domains", "set", "batch", "colour=red"), "colour=: there is no such field"),
        (("domains", "set", "batch", "limits.cpus"), "write FIELD=VALUE"),
        (("limits", "set", "nobody:x", "jobs=1"), "is nobody"),
    ],
)
def test_what_cannot_be_set_is_told(house: checks.Site, words: tuple[str, ...], told: str) -> None:
    before = house.services.store.site()
    refused = run("admin", *words, "--yes")
    assert refused.exit_code == 2
    assert told in refused.stderr
    assert house.services.store.site() == before


def test_what_is_exported_applies_without_a_difference(house: checks.Site, home: Path) -> None:
    file = home / "exported.toml"
    assert run("admin", "export", str(file)).exit_code == 0
    assert run("db", "apply", "--diff", str(file)).stdout == "No difference.\n"
    assert run("admin", "export").stdout == file.read_text()


def test_disabled_is_offered_to_nobody(house: checks.Site) -> None:
    assert run("admin", "images", "disable", "python", "--yes").exit_code == 0
    assert house.services.store.domains()[0].images == ()
    assert [image.name for image in house.services.store.images()] == ["python"]


def test_the_mail_server_is_tried_where_there_is_one(house: checks.Site) -> None:
    assert found(house, "mail")["mail"].text == "none is sent ([mail] host is empty)"
    nobody = SmtpMailer(MailServer("127.0.0.1", 1, "none"), "portal@example.org")
    away = dataclasses.replace(house, services=dataclasses.replace(house.services, mailer=nobody))
    verdict = found(away, "mail")["mail"]
    assert (verdict.ok, "check [mail] host" in verdict.remedy) == (False, True)
    assert "mail server does not answer" in verdict.text
