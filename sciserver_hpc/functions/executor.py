"""Submitting functions to the portal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloudpickle
from submitit.core import core, utils

from ..domain.errors import SciServerError
from . import parameters, payload
from .job import SciServerJob

if TYPE_CHECKING:
    from ..domain.views import JobView

FILENAME = "function.py"
"""What the script is called in the job folder."""


class SciServerExecutor(core.Executor):
    """`submitit.AutoExecutor(folder, cluster="sciserver")`.

    folder: receives results and logs as they are fetched; any directory of this machine. max_num_timeout: how
    often a checkpointable function goes on after its time limit. Submitting raises FailedSubmissionError with
    the portal's sentence.
    """

    job_class = SciServerJob

    def __init__(self, folder: str | Path, max_num_timeout: int = 3) -> None:
        super().__init__(folder)
        self.max_num_timeout = max_num_timeout
        self._asked: dict[str, Any] | None = None

    @classmethod
    def name(cls) -> str:
        """What AutoExecutor calls it, and its parameters."""
        return "sciserver"

    @classmethod
    def affinity(cls) -> int:
        """AutoExecutor's first choice for whoever is logged in, but on machines with Slurm's own commands."""
        from ..client import credentials

        try:
            credentials.find()
        except SciServerError:
            return -1
        return 2

    @classmethod
    def _valid_parameters(cls) -> set[str]:
        return set(parameters.OWN)

    def _internal_update_parameters(self, **kwargs: Any) -> None:
        parameters.checked(kwargs)
        super()._internal_update_parameters(**kwargs)
        self._asked = None

    def _internal_process_submissions(
        self, delayed_submissions: list[utils.DelayedSubmission]
    ) -> list[core.Job[Any]]:
        """One job, or one array for several calls."""
        for delayed in delayed_submissions:
            delayed.set_timeout(self.parameters.get("timeout_min", 5), self.max_num_timeout)
        try:
            view = self._submit(delayed_submissions)
        except SciServerError as error:
            raise utils.FailedSubmissionError(str(error)) from error
        self.job_class.watcher.put(view)
        return [
            self._kept(f"{view.id}_{task}" if view.array else f"{view.id}", delayed)
            for task, delayed in enumerate(delayed_submissions)
        ]

    def _submit(self, delayed: Sequence[utils.DelayedSubmission]) -> JobView:
        client = self.job_class.watcher.client
        calls = [cloudpickle.dumps((one.function, one.args, one.kwargs)) for one in delayed]
        header = self._header(delayed)
        if self._asked is None:  # the portal is asked for the domain's defaults: not for each function
            request = client.request(kind="shell", command="true", **parameters.fields(self.parameters))
            said = request.model_fields_set - {"kind", "command"}
            self._asked = {name: getattr(request, name) for name in said}
        return client.submit(
            **self._asked,
            array=parameters.array(len(calls), self.parameters) if header.array else None,
            kind="script",
            script=payload.script(calls, header),
            filename=FILENAME,
            warn_s=header.warn_s,
        )

    def _header(self, delayed: Sequence[utils.DelayedSubmission]) -> payload.Header:
        asked = self.parameters
        may_go_on = any(_checkpointable(one.function) for one in delayed)
        delay = asked.get("signal_delay_s", parameters.SIGNAL_DELAY_S)
        return payload.Header(
            ranks=asked.get("tasks_per_node", 1),
            array=len(delayed) > 1,
            countdown=self.max_num_timeout,
            checkpointable=may_go_on,
            warn_s=delay if may_go_on else None,
            stderr_to_stdout=bool(asked.get("stderr_to_stdout", False)),
        )

    def _kept(self, job_id: str, delayed: utils.DelayedSubmission) -> core.Job[Any]:
        """The job, its submission kept where submitit looks for it. What lies there under the same id, of
        another portal, is no result of it."""
        ranks = range(self.parameters.get("tasks_per_node", 1))
        job: core.Job[Any] = self.job_class(folder=self.folder, job_id=job_id, tasks=list(ranks))
        job.paths.folder.mkdir(parents=True, exist_ok=True)
        delayed.dump(job.paths.submitted_pickle)
        for rank in ranks:
            job.task(rank).paths.result_pickle.unlink(missing_ok=True)
        return job


def _checkpointable(function: Any) -> bool:
    return hasattr(function, "__submitit_checkpoint__") or hasattr(function, "checkpoint")
