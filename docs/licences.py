"""Print docs/licences.md: `python docs/licences.py > docs/licences.md`, with requirements.lock installed.

Python packages tell their licence themselves (core metadata: License-Expression, License, classifiers); for
Debian packages and vendored files the tables below do, from /usr/share/doc/<package>/copyright and the files.
"""

from __future__ import annotations

import re
from importlib.metadata import PackageMetadata, metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

DEBIAN = {
    "acl": "GPL-2.0-or-later, LGPL-2.0-or-later",
    "ca-certificates": "GPL-2.0-or-later, MPL-2.0",
    "chromium": "BSD-3-Clause and others",
    "curl": "curl",
    "debootstrap": "MIT",
    "fuse-overlayfs": "GPL-3.0-or-later",
    "ldap-utils": "OLDAP-2.8",
    "libatomic1": "GPL-3.0-or-later with GCC exception 3.1",
    "libnss-ldapd": "LGPL-2.1-or-later",
    "mariadb-client": "GPL-2.0-only",
    "mariadb-server": "GPL-2.0-only",
    "munge": "GPL-3.0-or-later, LGPL-3.0-or-later",
    "nginx-light": "BSD-2-Clause",
    "nslcd": "LGPL-2.1-or-later",
    "openssl": "Apache-2.0",
    "patchelf": "GPL-3.0-or-later",
    "postgresql": "PostgreSQL",
    "python3": "PSF-2.0",
    "python3-venv": "PSF-2.0",
    "shellcheck": "GPL-3.0-or-later",
    "slapd": "OLDAP-2.8",
    "slurm-wlm": "GPL-2.0-or-later with OpenSSL exception",
    "slurm-wlm-jwt-plugin": "GPL-2.0-or-later with OpenSSL exception",
    "slurmdbd": "GPL-2.0-or-later with OpenSSL exception",
    "slurmrestd": "GPL-2.0-or-later with OpenSSL exception",
    "squashfs-tools": "GPL-2.0-or-later",
    "squashfuse": "BSD-2-Clause",
    "sudo": "ISC and others",
    "tzdata": "public domain",
    "uidmap": "BSD-3-Clause",
}
OTHER = {
    "Apptainer": ("fetched by the development cluster where the machine has none", "BSD-3-Clause"),
    "axe-core": ("`tests/portal/vendor/axe.min.js`, for tests only", "MPL-2.0"),
}
BY_FILE = {"spython": "MPL-2.0"}
"""Packages whose metadata say nothing: by their LICENSE file."""

CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
HEAD = """# Licences of what is used

SciServer HPC itself is under the [BSD 3-Clause licence](../LICENSE). It copies nothing of what follows into
its own files; what is vendored keeps its licence beside it. This page is printed by
`python docs/licences.py`.
"""
IMAGES = """
## Inside the images

Images are built on your machine from Debian's packages and the Python packages that
`containers/requirements/` pins, each under its own licence; none is
distributed with the project. MATLAB needs a licence of your own.
"""


def locked() -> list[str]:
    """Names of the Python packages in requirements.lock."""
    return re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE)


def installed_by_dev() -> set[str]:
    """Names of the Debian packages `./dev` installs."""
    lists = re.findall(r'^\w+_packages="([^"]*)"', (ROOT / "dev").read_text(encoding="utf-8"), re.MULTILINE)
    return {word for words in lists for word in words.split() if not word.startswith("$")}


def licence(about: PackageMetadata) -> str:
    """A package's licence in as few words as its metadata allow."""
    expression = about.get("License-Expression")
    if expression:
        return str(expression)
    classes = [
        c.rpartition(" :: ")[2] for c in about.get_all("Classifier") or [] if c.startswith("License :: ")
    ]
    said = str(about.get("License") or "").strip()
    if said and "\n" not in said and len(said) < 40 and said != "LICENSE":  # that one names a file
        return said
    return ", ".join(CLASSIFIERS.get(one, one) for one in classes) or "see the package"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def page() -> str:
    """The whole page."""
    python = [(name, BY_FILE.get(name) or licence(metadata(name))) for name in sorted(locked())]
    return "".join((
        HEAD,
        "\n## Python packages (`requirements.lock`)\n\n", table(("package", "licence"), python),
        "\n## Debian packages (installed by `./dev`)\n\n", table(("package", "licence"), [*DEBIAN.items()]),
        "\n## Other parts\n\n", table(("part", "where", "licence"), [(n, *row) for n, row in OTHER.items()]),
        IMAGES,
    ))  # fmt: skip


if __name__ == "__main__":
    print(page(), end="")
