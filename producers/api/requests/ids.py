"""Ids in the paths of operations, with their words in the OpenAPI document."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Path

JOB = "0b7e1d0a-6b1f-4d0e-9a53-2f6f2c8f4a11"
ENHANCEMENT = "5d0c3a56-07cf-4c0e-8f3d-6a8f4a2f7b20"
ENDPOINT = "9c1f1f50-93f5-5a39-8f83-0f2f3f0c7b02"
UPLOAD = "7f1c2d9e-4b83-4f0a-9d7e-1a5b3c8e6f20"
DELIVERY = "c2a8f0f6-3d35-4c53-9f2e-0a4a2b1f6d47"


def _path(what: str, example: str) -> Any:
    return Path(description=what, examples=[example])


JobId = Annotated[UUID, _path("The `job_id` that a submission answered.", JOB)]
EnhancementId = Annotated[UUID, _path("The `enhancement_id` that its request answered.", ENHANCEMENT)]
EndpointId = Annotated[UUID, _path("The `endpoint_id` of a webhook endpoint.", ENDPOINT)]
DeliveryId = Annotated[UUID, _path("The `delivery_id` of a webhook.", DELIVERY)]
UploadId = Annotated[UUID, _path("The `upload_id` that its begin answered.", UPLOAD)]
