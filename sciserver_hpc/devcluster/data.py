"""Data volumes with real data, taken out of the images: the packages there carry it, nothing is downloaded.

Each volume is one directory: a CSV file with a header line, and a README.md naming source and licence.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..domain.catalogue import Image
from . import apptainer, images
from .errors import Failed

STEP = "data volumes"
_STATSMODELS = "/opt/venv/lib/python3.11/site-packages/statsmodels/datasets"


@dataclass(frozen=True)
class DataSet:
    """A data volume `name` and where its one file comes from."""

    name: str
    image: str
    path: str
    """Of the file inside the image."""

    title: str
    columns: str
    source: str
    licence: str

    def readme(self) -> str:
        """The volume's README.md."""
        return (
            f"# {self.title}\n\n`{self.name}.csv`: {self.columns}\n\n"
            f"**Source.** {self.source}\n\n**Licence.** {self.licence}\n"
        )


DATA_SETS = (
    DataSet(
        name="sunspots",
        image="python",
        path=f"{_STATSMODELS}/sunspots/sunspots.csv",
        title="Yearly sunspot numbers, 1700 to 2008",
        columns="`YEAR`, `SUNACTIVITY` (mean number of sunspots).",
        source="NOAA National Geophysical Data Center, as shipped by statsmodels (datasets.sunspots).",
        licence="Public domain.",
    ),
    DataSet(
        name="co2",
        image="python",
        path=f"{_STATSMODELS}/co2/co2.csv",
        title="Carbon dioxide in the air at Mauna Loa, 1958 to 2001",
        columns="`date` (YYYYMMDD, a week's Saturday), `co2` (ppm by volume; empty where not measured).",
        source="C. D. Keeling and T. P. Whorf, Scripps Institution of Oceanography, 2004, as shipped by "
        "statsmodels (datasets.co2).",
        licence="Public domain.",
    ),
    DataSet(
        name="quakes",
        image="r",
        path="/opt/datasets/quakes.csv",
        title="1000 earthquakes near Fiji since 1964",
        columns="`lat`, `long` (degrees), `depth` (km), `mag` (body-wave magnitude, at least 4.0), "
        "`stations` (number of stations that reported it).",
        source="Harvard PRIM-H project, from Dr. John Woodhouse, as shipped by R (datasets::quakes).",
        licence="GPL-2 or GPL-3, as R.",
    ),
    DataSet(
        name="iris",
        image="r",
        path="/opt/datasets/iris.csv",
        title="Measurements of 150 iris flowers of three species",
        columns="`Sepal.Length`, `Sepal.Width`, `Petal.Length`, `Petal.Width` (cm), `Species`.",
        source="E. Anderson, 1935, The irises of the Gaspe Peninsula; R. A. Fisher, 1936, Annals of Eugenics "
        "7:179; as shipped by R (datasets::iris).",
        licence="GPL-2 or GPL-3, as R.",
    ),
)


def ensure(target: Path, say: Callable[[str], None] = print) -> dict[str, Path]:
    """Lay out every data volume below `target`, readable by all; return name → directory.

    What is there stays as it is. Builds the images it takes data from where they are absent. Raises Failed.
    """
    absent = [data for data in DATA_SETS if not (target / data.name / "README.md").exists()]
    built = {image.name: image for image in images.ensure(sorted({data.image for data in absent}), say)}
    for data in absent:
        _lay_out(data, built[data.image], target / data.name)
    return {data.name: target / data.name for data in DATA_SETS}


def _lay_out(data: DataSet, image: Image, directory: Path) -> None:
    """Write the volume; its README last, as the sign that it is whole."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o755)
    for name, content in {
        f"{data.name}.csv": _read(image, data.path),
        "README.md": data.readme().encode(),
    }.items():
        (directory / name).write_bytes(content)
        (directory / name).chmod(0o644)


def _read(image: Image, path: str) -> bytes:
    """A file of an image, without running the image: that takes no privilege, nor refuses root."""
    sif = Path(image.path)
    argv = ["unsquashfs", "-o", str(offset(sif)), "-cat", str(sif), path.lstrip("/")]
    content = _output(argv)
    if not content:
        raise Failed(STEP, f"{path} is not in image {image.name}", f"build it again: remove {sif}")
    return content


def offset(sif: Path) -> int:
    """Where the file system starts in a SIF, in bytes: a row of `apptainer sif list` reads
    `3 |1 |NONE |36864-57344 |FS (Squashfs/*System/amd64)`."""
    table = _output([str(apptainer.ensure()), "sif", "list", str(sif)]).decode()
    for row in table.splitlines():
        cells = [cell.strip() for cell in row.split("|")]
        if cells[-1].startswith("FS (Squashfs"):
            return int(cells[3].partition("-")[0])
    raise Failed(STEP, f"{sif} holds no squashfs file system", f"build it again: remove {sif}")


def _output(argv: list[str]) -> bytes:
    try:
        return subprocess.run(argv, capture_output=True, timeout=60, check=True).stdout
    except FileNotFoundError:
        raise Failed(STEP, f"{argv[0]} is missing", "run: apt-get install squashfs-tools") from None
    except subprocess.CalledProcessError as error:
        raise Failed(STEP, f"{argv[0]}: {error.stderr.decode(errors='replace').strip()[-500:]}") from error
    except subprocess.TimeoutExpired:
        raise Failed(STEP, f"{argv[0]} took over 60 s", "run it again") from None
