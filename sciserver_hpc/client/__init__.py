"""The portal from Python: `from sciserver_hpc.client import Client`.

    client = Client()                      # after `sciserver login`
    job = client.submit_shell("echo hello", domain="batch", image="python")
    job = client.wait(job.id)
    print(client.log(job.id).text)
    client.results(job.id, "results")
    session = client.wait_session(client.start_session("jupyterlab").id)
    print(session.phase, client.session_page(session.id))   # opened in a browser, after a login there
    client.give("Storage/alice/shared", "group:survey", "reader")

Errors are those of `sciserver_hpc.domain.errors`.
"""

from .batches import Submitted
from .client import Client
from .models import (
    AppInfo,
    DomainInfo,
    GrantInfo,
    GroupInfo,
    ImageInfo,
    LogPiece,
    Me,
    NotificationsInfo,
    PersonInfo,
    Preview,
    ServiceAccountInfo,
    TokenInfo,
    VolumeInfo,
)

__all__ = [
    "AppInfo",
    "Client",
    "DomainInfo",
    "GrantInfo",
    "GroupInfo",
    "ImageInfo",
    "LogPiece",
    "Me",
    "NotificationsInfo",
    "PersonInfo",
    "Preview",
    "ServiceAccountInfo",
    "Submitted",
    "TokenInfo",
    "VolumeInfo",
]
