"""Is a file a singularity-compose file? Asked of that library's own schema.

Nothing else of the library is used: it starts instances as root on the machine it runs on (decision 14).
"""

from __future__ import annotations

from functools import cache
from typing import Any


def format_problem(document: Any) -> str:
    """What is wrong with `document` by singularity-compose's schema, in a sentence; "" when nothing is."""
    from jsonschema.exceptions import best_match

    error = best_match(_validator().iter_errors(document))
    if error is None:
        return ""
    return f"{'.'.join(map(str, error.absolute_path)) or 'the file'}: {error.message}"


@cache
def _validator() -> Any:
    # Imported where a site has such a file: 0.3 s, and the module leaves the process where jsonschema is missing.
    from jsonschema import Draft7Validator
    from scompose.config.schema import compose_schema

    return Draft7Validator(compose_schema)
