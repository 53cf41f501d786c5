"""A thousand jobs of twenty clients while parts are killed and deaf: what is lost, doubled or untrue.

`./dev bench chaos [SEED [JOBS [FAULTS]]]`; the same seed gives the same jobs and faults. What Slurm had is
counted in its accounting, by the UUID in the jobs' names.
"""

from __future__ import annotations

import sys

from sciserver_hpc.devcluster.namespace import Namespace
from tests.cluster.conftest import Cluster
from tests.cluster.storm import Storm, rage

from .figure import Figure, tell
from .place import Place

SEED, CLIENTS, JOBS, FAULTS = 20261130, 20, 1000, 50


def main() -> int:
    """One storm."""
    place = Place()
    given = [int(word) for word in sys.argv[1:]]
    seed, jobs, faults = (given + [SEED, JOBS, FAULTS][len(given) :])[:3]
    cluster = Cluster(place.state, Namespace(place.state))
    done = rage(cluster, Storm(seed, CLIENTS, jobs, faults))
    raw = {
        "seed": seed,
        "accepted": done.accepted,
        "faults": len(done.faults),
        "took_s": round(done.took_s),
    }
    for name, found in (("lost", done.lost), ("doubled", done.doubled), ("untrue", done.untrue)):
        for line in found:
            print(f"{name}: {line}")
        tell(Figure(f"chaos.{name}", len(found), "jobs", 0, "lower", raw))
    return 0


if __name__ == "__main__":
    sys.exit(main())
