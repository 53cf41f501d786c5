"""The samples, each in its image as an ordinary user: their numbers are those of the literature."""

from __future__ import annotations

import json
import os
import re
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from sciserver_hpc.devcluster import apptainer, data, debian, images
from sciserver_hpc.devcluster.namespace import Command, Namespace
from sciserver_hpc.devcluster.state import State

pytestmark = pytest.mark.cluster
SAMPLES = images.CONTAINERS / "samples"


class Desk:
    """A directory of alice's, and commands in an image there, in the cluster's namespace."""

    def __init__(self, namespace: Namespace, directory: Path) -> None:
        self.namespace, self.directory = namespace, directory

    def put(self, sample: str) -> None:
        text = (SAMPLES / sample).read_text()
        self._check(["tee", str(self.directory / sample)], text)
        self._check(["chmod", "755", str(self.directory / sample)])

    def run(self, image: str, *argv: str) -> str:
        """Standard output of `argv` in the image; the data volumes lie where jobs see them."""
        (found,) = images.ensure([image])
        volumes = data.ensure(self.namespace.state.shared / "data")
        binds = [f"{path}:/home/idies/workspace/{name}:ro" for name, path in volumes.items()]
        return self._check(
            [
                *(str(apptainer.ensure()), "--silent", "exec", "--containall", "--home", str(self.directory)),
                *(word for bind in binds for word in ("--bind", bind)),
                *("--pwd", str(self.directory), found.path, *argv),
            ]
        )

    def notebook(self, image: str, sample: str, **parameters: int) -> str:
        """The text a notebook printed."""
        self.put(sample)
        given = [word for name, value in parameters.items() for word in ("-p", name, str(value))]
        self.run(image, "papermill", "--no-progress-bar", *given, sample, "out.ipynb")
        cells = json.loads(self._check(["cat", str(self.directory / "out.ipynb")]))["cells"]
        outputs = (output for cell in cells for output in cell.get("outputs", ()))
        return "".join("".join(output.get("text", ())) for output in outputs)

    def remove(self) -> None:
        self._check(["rm", "-rf", str(self.directory)])

    def _check(self, argv: list[str], text: str = "") -> str:
        environment = {"HOME": str(self.directory)}
        return self.namespace.check(Command(argv, "alice", env=environment), "sample", text=text, timeout=300)


@pytest.fixture
def desk() -> Iterator[Desk]:
    if "SCISERVER_DEV_STATE" not in os.environ:
        pytest.skip("needs the development cluster: ./dev test")
    namespace = Namespace(State.from_environment())
    directory = namespace.state.shared / "temporary" / "alice" / f"samples-{uuid.uuid4().hex[:8]}"
    namespace.check(Command(["mkdir", str(directory)], "alice"), "sample")
    made = Desk(namespace, directory)
    yield made
    made.remove()


def answers(text: str) -> dict[str, float]:
    """`ANSWER name=number` lines; Octave's kernel ends them with a carriage return."""
    found = re.findall(r"^ANSWER (\w+)=(\S+)\s*$", text, re.MULTILINE)
    return {name: float(number) for name, number in found}


def test_the_solar_cycle_takes_eleven_years(desk: Desk) -> None:
    # Hathaway, 2015, Living Reviews in Solar Physics 12:4: the mean over cycles 1 to 23 is 11.0 years.
    assert answers(desk.notebook("python", "sunspots.ipynb"))["period_years"] == pytest.approx(11.0, abs=0.1)


def test_a_parameter_chooses_other_years(desk: Desk) -> None:
    text = desk.notebook("python", "sunspots.ipynb", first_year=1900)
    assert "109 years, 1900 to 2008" in text
    # Ten cycles lie between the minima of 1902.0 and 2008.9: 10.7 years each.
    assert answers(text)["period_years"] == pytest.approx(10.7, abs=0.3)


def test_quakes_have_the_literature_s_magnitudes(desk: Desk) -> None:
    found = answers(desk.notebook("r", "quakes.ipynb"))
    assert found["mean_magnitude"] == pytest.approx(4.62, abs=0.005)  # R: summary(quakes)
    # Frohlich and Davis, 1993, J. Geophys. Res. 98, 631: about 1 worldwide.
    assert found["b_value"] == pytest.approx(1.05, abs=0.25)


def test_carbon_dioxide_rose_as_noaa_tabulates(desk: Desk) -> None:
    desk.put("co2.m")
    text = desk.run("octave", str(desk.directory / "co2.m"))
    # NOAA, annual means at Mauna Loa: 316.91 ppm in 1960, 369.71 ppm in 2000.
    assert answers(text)["growth_ppm_per_year"] == pytest.approx((369.71 - 316.91) / 40, abs=0.02)


def test_an_octave_notebook_takes_parameters(desk: Desk) -> None:
    # Dürer's magic square, of order 4, is singular; the one of order 3 has the determinant -360.
    assert answers(desk.notebook("octave", "magic.ipynb", order=3)) == {"determinant": -360, "rank": 3}
    assert answers(desk.notebook("octave", "magic.ipynb"))["rank"] == 3


def test_the_shell_sample_runs(desk: Desk) -> None:
    desk.put("hello.sh")
    text = desk.run("python", str(desk.directory / "hello.sh"))
    assert "I am alice" in text
    assert answers(text) == {"pi": 3.14159265}


@pytest.mark.parametrize("image", ["python", "r", "octave"])
def test_an_image_offers_the_kernels_of_its_catalogue_entry(desk: Desk, image: str) -> None:
    found = json.loads(desk.run(image, "jupyter", "kernelspec", "list", "--json"))["kernelspecs"]
    assert set(found) == set(images.catalogue()[image].kernels)


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize("image", ["python", "r", "octave"])
def test_an_image_does_not_tell_where_it_was_built(image: str, tmp_path: Path) -> None:
    (found,) = images.ensure([image])
    sif = Path(found.path)
    host = debian.mirror().uri.partition("://")[2].partition("/")[0].encode()
    with sif.open("rb") as file:
        assert host not in file.read(data.offset(sif))  # the recipe and the labels
    tree = tmp_path / "tree"
    # /usr is left out: Debian's packages name Debian's hosts there. Exit code 2: attributes not set.
    argv = ["unsquashfs", "-no-xattrs", "-o", str(data.offset(sif)), "-d", str(tree), str(sif)]
    subprocess.run([*argv, "etc", ".singularity.d", "var", "root"], capture_output=True, check=False)
    files = [path for path in tree.rglob("*") if path.is_file() and not path.is_symlink()]
    assert files
    assert [path for path in files if host in path.read_bytes()] == []
    assert not (tree / ".build").exists()
