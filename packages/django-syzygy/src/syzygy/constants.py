"""The two sides of a deployment."""

from enum import Enum

__all__ = ("Stage",)


class Stage(Enum):
    """When a migration runs: before the new code is rolled out, or after the old code is gone."""

    PRE_DEPLOY = "pre_deploy"
    POST_DEPLOY = "post_deployment"
