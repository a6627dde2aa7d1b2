"""Runs within `engine run`: DOCKER_HOST is an engine of our own, without any container."""

import os

import pytest
from cluster import DEPLOY, Cluster

from lab.paths import LOGS


@pytest.fixture(scope="session")
def image():
    """deploy/Dockerfile, built as the cluster builds it."""
    assert "lsdocker" in os.environ.get("DOCKER_HOST", ""), "run this by scripts/test-compose"
    cluster = Cluster()
    # A test that was killed may have left some.
    cluster.compose("--profile", "*", "down", "-v", "--remove-orphans")
    cluster.compose("build", limit=3600)
    return cluster.inspect_image("lightningstream:latest")


@pytest.fixture
def cluster(request, image):
    """The cluster, not started; what is left of it afterwards is removed, and its logs are kept. A test that takes
    another file after docker-compose.yml gives its name as the fixture's parameter."""
    cluster = Cluster(*([DEPLOY / request.param] if hasattr(request, "param") else []))
    yield cluster
    log = LOGS / f"compose-{request.node.name}.log"
    log.write_text(cluster.run("docker", "compose", "--profile", "*", "logs", "--no-color", "--timestamps").stdout)
    cluster.compose("--profile", "*", "down", "-v", "--remove-orphans")
