"""What the asker may use: compute domains, images, volumes."""

from __future__ import annotations

from collections.abc import Sequence

from sciserver_hpc.domain.catalogue import ComputeDomain, Image
from sciserver_hpc.domain.limits import Allowance
from sciserver_hpc.domain.tokens import Scope

from ..guard import Access, person
from ..services import services
from .models import DomainAnswer, DomainsAnswer, ImageAnswer, ImagesAnswer, VolumeAnswer, VolumesAnswer
from .routes import Route


def domains() -> DomainsAnswer:
    """Compute domains with their images."""
    images = {image.name: image for image in services.catalogue.images(person())}
    held = services.catalogue.allowances(person())
    return DomainsAnswer(
        domains=tuple(_domain(d, images, held) for d in services.catalogue.domains(person()))
    )


def images() -> ImagesAnswer:
    """Images."""
    return ImagesAnswer(images=tuple(map(_image, services.catalogue.images(person()))))


def volumes() -> VolumesAnswer:
    """Volumes and how they may be mounted."""
    offered = services.catalogue.volumes(person())
    return VolumesAnswer(
        volumes=tuple(
            VolumeAnswer(volume=v.volume, kind=v.kind, modes=tuple(v.modes), description=v.description)
            for v in offered
        )
    )


def _image(image: Image) -> ImageAnswer:
    return ImageAnswer(**image.model_dump(include=set(ImageAnswer.model_fields)))


def _domain(domain: ComputeDomain, usable: dict[str, Image], held: Sequence[Allowance]) -> DomainAnswer:
    return DomainAnswer(
        **domain.model_dump(exclude={"images"}),
        images=tuple(_image(usable[n]) for n in domain.images if n in usable),
        allowances=tuple(one for one in held if one.domain in (None, domain.name)),
    )


READ = Access(scope=Scope.JOBS_READ)
ROUTES = (
    Route("GET", "/domains", domains, READ, "Compute domains I may use.", answer=DomainsAnswer),
    Route("GET", "/images", images, READ, "Images I may use.", answer=ImagesAnswer),
    Route("GET", "/volumes", volumes, READ, "Volumes I may mount.", answer=VolumesAnswer),
)
