"""Is a file a singularity-compose file? Asked of that library's own schema.

Nothing else of the library is used: it starts instances as root on the machine it runs on (decision 14).
"""

from __future__ import annotations

from functools import cache
from typing import Any


def format_problem(document: Any) -> str:
    """What is wrong with `document` by singularity-compose's schema, in a sentence; "" when nothing is."""
    from jsonschema.exceptions import best_match  # noqa: PLC0415 - see _validator

    error = best_match(_validator().iter_errors(document))
    if error is None:
        return ""
    return f"{'.'.join(map(str, error.absolute_path)) or 'the file'}: {error.message}"


@cache
def _validator() -> Any:
    # Only a site with such a file pays for the import: it takes longer than a command of the command line.
    from jsonschema import Draft7Validator  # noqa: PLC0415
    from scompose.config.schema import compose_schema  # noqa: PLC0415

    return Draft7Validator(compose_schema)
