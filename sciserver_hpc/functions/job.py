"""A function submitted: its state, logs and result."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from submitit.core import core, utils

from ..domain.errors import Invalid, NotFound, SciServerError, Unavailable
from .watcher import Patience, Place, SciServerWatcher

if TYPE_CHECKING:
    from ..domain.views import JobView


class SciServerJob(core.Job[core.R]):
    """`job_id` is the portal's, `<job>` or, of an array, `<job>_<task>`.

    Results and logs are fetched into the executor's folder, under submitit's names. A result is a pickle that
    the job wrote: loading it runs what the job put there, so only one's own jobs are ever looked at.
    """

    watcher = SciServerWatcher()
    _results_timeout_s = 0

    def __init__(self, folder: Path | str, job_id: str, tasks: Sequence[int] = (0,)) -> None:
        super().__init__(folder, job_id, tasks)
        self._over = False
        self._patience = Patience()

    @property
    def _place(self) -> Place:
        return self.watcher.places(self.job_id)[-1]

    @property
    def _rank(self) -> int:
        return self.task_id or 0

    def done(self, force_check: bool = False) -> bool:
        """Whether there is a result, or will be none. The result is here then."""
        if self._sub_jobs:
            return all(job.done(force_check) for job in self._sub_jobs)
        if not self._over:
            self._over = self.paths.result_pickle.exists() or self._looked(
                "force" if force_check else "standard"
            )
            if self._over:
                self.watcher.finish(self.job_id)
        return self._over

    def _looked(self, mode: str) -> bool:
        """Whether it is over, as the portal tells; not yet, where the portal is away for a while."""
        self.watcher.want(self.job_id)
        self.watcher.update_if_long_enough(mode)
        view = self.watcher.view(self._place)
        try:
            over = view is not None and self._settled(view)
        except Unavailable as error:
            self._patience.unanswered(error)
            return False
        self._patience.answered()
        return over

    def _settled(self, view: JobView) -> bool:
        """Fetch the result, if there is one; or let the function go on, if it left a checkpoint."""
        if not view.final and not view.array:
            return False
        place = self._place
        if view.state.value == "SUCCEEDED" and not view.array and self._fetched(place, "success.pkl"):
            return True
        left = self.watcher.left(view)
        for kind in ("success.pkl", "error.pkl"):
            if place.file(self._rank, kind) in left:
                return self._fetched(place, kind) or view.final
        cancelled = view.cancel_requested or view.state.value == "CANCELLED"
        if place.file(0, "checkpoint.py") in left and not cancelled:
            self.watcher.go_on(place)
            return False
        return view.final

    def _fetched(self, place: Place, kind: str) -> bool:
        try:
            self.watcher.client.download(place.job, place.file(self._rank, kind), self.paths.result_pickle)
        except NotFound:
            return False
        return True

    def _get_outcome_and_result(self) -> tuple[str, Any]:
        try:
            return super()._get_outcome_and_result()
        except utils.UncompletedJobError as error:
            view = self.watcher.view(self._place)
            if view is None:
                raise
            raise utils.UncompletedJobError(f"{view.sentence}\n{error}") from error

    def cancel(self, check: bool = True) -> None:
        """Cancel the job; raises Invalid for one task of an array, which the portal cannot cancel alone.

        check: False passes over what goes wrong.
        """
        ignored = contextlib.nullcontext() if check else contextlib.suppress(SciServerError)
        with ignored:
            view = self.watcher.view(self._place)
            if view is not None and view.array is not None:
                whole = f"run `sciserver-cancel {view.id}` to end the whole array."
                raise Invalid({self.job_id: f"a task of an array is not cancelled alone; {whole}"})
            self.watcher.put(self.watcher.client.cancel(self._place.job))

    def _get_logs_string(self, name: str) -> str | None:
        """What it wrote so far, in all the jobs it ran in; kept in the folder as well."""
        if name not in ("stdout", "stderr"):
            raise ValueError(f'Unknown "{name}", available are stdout and stderr')
        texts = [self.watcher.log(place, self._rank, name) for place in self.watcher.places(self.job_id)]
        found = [text for text in texts if text is not None]
        if not found:
            return None
        text = "".join(found)
        path = getattr(self.paths, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return text
