"""What `submitit.JobEnvironment()` tells inside a job. Its text travels with the job, as `runner`'s does."""

from __future__ import annotations

import typing as tp

from submitit.core.job_environment import JobEnvironment


class SciServerJobEnvironment(JobEnvironment):
    """A job's ids, `<job>` or `<job>_<task>` as the portal counts them, and the ranks of its processes.

    A job that goes on from a checkpoint keeps the id it was first submitted with.
    """

    _env: tp.ClassVar[dict[str, str]] = {
        "job_id": "SUBMITIT_JOB_ID",
        "array_job_id": "SUBMITIT_ARRAY_JOB_ID",
        "array_task_id": "SUBMITIT_ARRAY_TASK_ID",
        "num_tasks": "SUBMITIT_NUM_TASKS",
        "num_nodes": "SUBMITIT_NUM_NODES",
        "node": "SUBMITIT_NODE",
        "global_rank": "SUBMITIT_RANK",
        "local_rank": "SUBMITIT_RANK",
    }

    @classmethod
    def name(cls) -> str:
        """As the executor's."""
        return "sciserver"
