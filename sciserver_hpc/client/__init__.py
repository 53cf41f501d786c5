"""The portal from Python: `from sciserver_hpc.client import Client`.

    client = Client()                      # after `sciserver login`
    job = client.submit_shell("echo hello", domain="batch", image="python")
    job = client.wait(job.id)
    print(client.log(job.id).text)
    client.results(job.id, "results")

Errors are those of `sciserver_hpc.domain.errors`.
"""

from .batches import Submitted
from .client import Client
from .models import DomainInfo, ImageInfo, LogPiece, Me, Preview, TokenInfo, VolumeInfo

__all__ = [
    "Client",
    "DomainInfo",
    "ImageInfo",
    "LogPiece",
    "Me",
    "Preview",
    "Submitted",
    "TokenInfo",
    "VolumeInfo",
]
