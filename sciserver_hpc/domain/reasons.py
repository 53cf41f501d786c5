"""Slurm's reasons for a pending job, in sentences (squeue(1), JOB REASON CODES, Slurm 22.05 to 26.05)."""

from __future__ import annotations

import re

_WAIT = "Nothing to do but wait."
_ADMIN = "Ask an administrator."

_EXACT = {
    "None": "Slurm has not looked at it yet.",
    "": "Slurm has not looked at it yet.",
    "Resources": f"it is next in line, waiting for free cores or memory. {_WAIT}",
    "Priority": "jobs of higher priority go first. A shorter time limit may let it in earlier.",
    "Dependency": "it waits for a job it depends on.",
    "DependencyNeverSatisfied": "a job it depends on did not end as needed: it can never start. Cancel it.",
    "BeginTime": "its start time has not come yet; after a requeue Slurm waits two minutes.",
    "JobHeldUser": "it is held by you. `scontrol release` lets it go.",
    "JobHeldAdmin": f"it is held by an administrator. {_ADMIN}",
    "JobArrayTaskLimit": "as many of its tasks run as its array allows at once (the number after %).",
    "PartitionTimeLimit": "it asks for more time than the partition allows. Cancel it and ask for less time.",
    "PartitionNodeLimit": "it asks for more nodes than the partition has. Cancel it and ask for fewer.",
    "PartitionDown": f"the partition takes no jobs at the moment. {_WAIT}",
    "PartitionInactive": f"the partition is switched off. {_ADMIN}",
    "NodeDown": "a node it needs is down. Slurm starts it once the node is back.",
    "BadConstraints": "no node can satisfy what it asks for. Cancel it and ask for less.",
    "Licenses": f"it waits for a licence that others use. {_WAIT}",
    "Reservation": "it waits for its reservation to begin.",
    "ReservationDeleted": "its reservation was deleted. Cancel it and submit it without.",
    "Prolog": "its node is being prepared.",
    "Cleaning": "it is requeued, and its last run is still being cleaned up.",
    "SchedDefer": f"Slurm puts off scheduling for a moment. {_WAIT}",
    "InvalidAccount": f"its account is not valid any more. {_ADMIN}",
    "InvalidQOS": f"its QOS is not valid any more. {_ADMIN}",
    "AccountNotAllowed": f"its account may not use this partition. {_ADMIN}",
    "QOSNotAllowed": f"its QOS may not be used in this partition. {_ADMIN}",
    "JobLaunchFailure": f"its start failed on the node. {_ADMIN}",
    "FrontEndDown": f"no front end is up. {_ADMIN}",
    "OutOfMemory": "its last run was out of memory. Cancel it and ask for more.",
}

_FAMILIES = (
    (r"ReqNodeNotAvail", "a node it asked for is not available: in use, reserved or in maintenance."),
    (r"Nodes.required.for.job.are.DOWN", "the nodes it could use are down, drained or reserved."),
    (
        r"(QOS|Assoc)MaxJobsPer|MaxJobsPer|QOSMaxJobs|AssocMaxJobs",
        "as many of your jobs run as you may have at once.",
    ),
    (r"QOSMax\w*PerUser", "your running jobs use as much as one person may use at once."),
    (r"QOSMax\w*PerAccount", "your account's running jobs use as much as it may use at once."),
    (r"(QOS|Assoc)Max\w*PerJob", "it asks for more than one job may have. Cancel it and ask for less."),
    (r"(QOS|Assoc)Max\w*Per\w*|AssocMax", "it asks for more than you may have. Ask for less, or wait."),
    (r"(QOS|Assoc)Grp\w*Minutes", f"your group has used up its computing time for this period. {_ADMIN}"),
    (r"(QOS|Assoc)Grp", "your group's running jobs use as much as the group may use at once."),
    (r"QOSMin", "it asks for less than this QOS demands of a job. Cancel it and ask for more."),
    (r"QOSUsageThreshold", f"your use is above what this QOS allows. {_ADMIN}"),
    (r"MaxMemPerLimit", "it asks for more memory than is allowed. Cancel it and ask for less."),
    (r"launch.failed.requeued.held", f"its start failed on the node, so Slurm holds it. {_ADMIN}"),
)


def why_pending(reason: str) -> str:
    """The end of a sentence that begins with "Pending: ". Unknown reasons are quoted."""
    word = reason.strip().strip("()")
    known = _EXACT.get(word) or _EXACT.get(re.split(r"[,;(]", word, maxsplit=1)[0].strip())
    if known:
        return known
    for pattern, sentence in _FAMILIES:
        if re.match(pattern, word, re.IGNORECASE):
            return sentence
    return f"Slurm says “{word[:200]}”."
