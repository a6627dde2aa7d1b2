"""Credentials as AWS hands them out: the real program and a real S3 server, with keys from stubs of AWS's services."""

import json

import pytest

from lab.credentials import CONTAINER, ROLE, ROLES, CredentialService
from lab.process import run
from lab.syncer import ENVIRONMENT
from lab.waiting import eventually


@pytest.fixture
def service(s3_server):
    """A service that hands out the keys of the S3 server."""
    made = CredentialService(s3_server.keys)
    yield made
    made.end()


@pytest.fixture
def keyless(native, bucket):
    """An instance whose configuration has no keys."""
    native.settings["storage"] = bucket.storage()
    for key in "access_key", "secret_key":
        del native.settings["storage"]["options"][key]
    native.write_configuration()
    native.bucket = bucket
    return native


def instance(service):
    return {"AWS_EC2_METADATA_SERVICE_ENDPOINT": service.endpoint}


def container(service, tmp_path):
    token = tmp_path / "token"
    token.write_text(service.token)
    return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": service.endpoint + CONTAINER,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token)}


def web_identity(service, tmp_path):
    token = tmp_path / "web-token"
    token.write_text(service.web_token + "\n")
    return {"AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_ARN": "arn:aws:iam::1:role/zones",
            "AWS_ROLE_SESSION_NAME": "ns1", "AWS_ENDPOINT_URL_STS": service.endpoint}


def assumed(service, tmp_path):
    service.base_keys = "BASEKEY", "base/secret+key"
    (tmp_path / "config").write_text(
        "[profile zones]\nrole_arn = arn:aws:iam::1:role/zones\nsource_profile = base\nregion = eu-west-1\n")
    (tmp_path / "credentials").write_text(
        "[base]\naws_access_key_id = BASEKEY\naws_secret_access_key = base/secret+key\n")
    return {"AWS_PROFILE": "zones", "AWS_CONFIG_FILE": str(tmp_path / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"), "AWS_ENDPOINT_URL_STS": service.endpoint}


def profile(service, tmp_path):
    (tmp_path / "config").write_text(
        f"[profile zones]\naws_access_key_id = {service.keys[0]}\naws_secret_access_key = {service.keys[1]}\n")
    return {"AWS_PROFILE": "zones", "AWS_CONFIG_FILE": str(tmp_path / "config")}


SOURCES = {
    "instance": (lambda service, tmp_path: instance(service), "the metadata service of EC2 instances"),
    "container": (container, "the service for roles of containers"),
    "web identity": (web_identity, "for the role arn:aws:iam::1:role/zones and the web identity token in"),
    "assumed role": (assumed, "for the role arn:aws:iam::1:role/zones, with the keys from profile base in"),
    "profile": (profile, "profile zones in"),
}


@pytest.mark.parametrize("source", SOURCES)
def test_a_sync_and_what_doctor_says_of_it(keyless, service, tmp_path, source):
    make, expected = SOURCES[source]
    environment = make(service, tmp_path)
    done = keyless.run("sync", "--only-once", environment=environment)
    assert done.returncode == 0, done.stderr
    assert any(name.endswith(".pb.gz") for name in keyless.bucket.names())
    report = run(keyless.command("doctor", "--json"), ENVIRONMENT | environment)
    found = [entry for entry in json.loads(report.stdout)["findings"] if entry["check"] == "credentials"]
    assert [entry["status"] for entry in found] == ["pass"] and expected in found[0]["text"], report.stdout
    for text in done.stdout, done.stderr, report.stdout, report.stderr:
        for secret in service.keys[1], service.token, service.web_token, "base/secret+key":
            assert secret not in text


def test_the_daemon_renews_its_credentials(keyless, service):
    """They are short-lived here: renewed after half of their time."""
    service.lifetime = 4
    keyless.start(environment=instance(service))
    eventually("the snapshots are stored", lambda: len(keyless.bucket.names()) >= 2)
    eventually("the credentials are renewed", lambda: service.issued >= 3)
    keyless.stop()
    assert {path for method, path in service.requests if method == "GET"} == {ROLES, ROLES + ROLE}
    log = keyless.log.read_text()
    assert "new credentials for the storage" in log and service.keys[1] not in log


def test_a_failed_renewal_is_one_warning(keyless, service):
    service.lifetime = 16
    keyless.start(environment=instance(service))
    eventually("the snapshots are stored", lambda: len(keyless.bucket.names()) >= 2)
    service.status = 500
    warning = "cannot renew the credentials for the storage"
    eventually("the failure is logged", lambda: warning in keyless.log.read_text())
    # When they have ended, requests fail until there are new ones.
    eventually("requests fail", lambda: "no credentials from" in keyless.log.read_text().split(warning)[-1], 60)
    service.status, service.lifetime = None, 3600
    count = service.issued
    eventually("there are new ones", lambda: service.issued > count, 60)
    eventually("that is logged", lambda: "new credentials for the storage" in keyless.log.read_text().split(warning)[-1])
    keyless.stop()
    assert keyless.log.read_text().count(warning) == 1


def test_no_credentials_at_all(keyless, service):
    service.status = 404
    for environment, expected in (
        ({"AWS_EC2_METADATA_DISABLED": "true"}, "AWS_EC2_METADATA_DISABLED is set"),
        (instance(service), "HTTP 404 to the request for a session token (IMDSv2)"),
    ):
        done = keyless.run("sync", environment=environment)
        assert done.returncode == 1
        assert "no S3 keys are set" in done.stderr and expected in done.stderr
        assert "storage.options.access_key" in done.stderr


def test_a_container_service_that_starts_later(keyless, service, tmp_path):
    service.status = 503
    keyless.start(environment=container(service, tmp_path))
    eventually("it is asked", lambda: len(service.requests) >= 2)
    service.status = None
    eventually("the snapshots are stored", lambda: len(keyless.bucket.names()) >= 2, 60)
    keyless.stop()
