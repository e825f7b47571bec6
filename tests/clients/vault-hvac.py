"""hvac 2.4 at the Vault of our own that the engine's tests ask: what it believes of a Vault holds of ours too.

KV 2 with check-and-set, versions, deletion and listing; KV 1; tokens, their renewal and their end; AppRole; transit;
namespaces; health, seal and standby; and the class of error that each failure is. The venue's ready line names the URL,
and a control port on which the test turns the server's clock and switches.
"""

import base64
import json
import urllib.request

import hvac
from hvac import exceptions

import steps
from steps import *


class Vault:
    def __init__(self, ready):
        self.url, self.control = ready["url"], ready["control"]

    def client(self, token="root", **more):
        return hvac.Client(url=self.url, token=token, **more)

    def turn(self, **switches):
        """Turns the clock, or what the server does; how many requests it has had."""
        body = json.dumps(switches).encode()
        with urllib.request.urlopen(urllib.request.Request(self.control, body), timeout=5) as answer:
            return json.load(answer)["asked"]


step = steps.Steps(Vault)
vault = step.venue
root = vault.client()
kv2, kv1 = root.secrets.kv.v2, root.secrets.kv.v1
PATH = "tollgate/binance/testnet/main"
PAIR = {"api_key": "k", "secret": "line one\nline two"}


def raises(kind, call, words=None):
    try:
        call()
    except kind as fault:
        assert words is None or words in str(fault), f"{fault!r} says nothing of {words!r}"
        return fault
    raise AssertionError(f"{kind.__name__} was not raised")


@step("health, seal and leader")
def health():
    assert root.sys.is_initialized() and not root.sys.is_sealed()
    assert root.sys.read_health_status(method="GET")["sealed"] is False
    assert root.sys.read_health_status().status_code == 200
    assert root.sys.read_leader_status()["is_self"] is True
    assert root.is_authenticated()


@step("a secret is written, read and versioned")
def write():
    assert raises(exceptions.InvalidPath, lambda: kv2.read_secret_version(path=PATH, raise_on_deleted_version=True))
    made = kv2.create_or_update_secret(path=PATH, secret=PAIR, cas=0)["data"]
    assert made["version"] == 1 and made["destroyed"] is False and made["deletion_time"] == ""
    kv2.create_or_update_secret(path=PATH, secret={"api_key": "k2", "secret": "s2"}, cas=1)
    read = kv2.read_secret_version(path=PATH, raise_on_deleted_version=True)
    assert read["data"]["data"]["api_key"] == "k2" and read["data"]["metadata"]["version"] == 2
    first = kv2.read_secret_version(path=PATH, version=1, raise_on_deleted_version=True)
    assert first["data"]["data"] == PAIR
    for member in ("request_id", "lease_id", "renewable", "lease_duration", "wrap_info", "warnings", "auth"):
        assert member in read, member


@step("check-and-set refuses what was overtaken")
def cas():
    for version in (0, 1, 7):
        again = lambda: kv2.create_or_update_secret(path=PATH, secret=PAIR, cas=version)
        raises(exceptions.InvalidRequest, again, "check-and-set parameter did not match the current version")
    assert kv2.patch(path=PATH, secret={"note": "n"})["data"]["version"] == 3
    read = kv2.read_secret_version(path=PATH, raise_on_deleted_version=True)["data"]["data"]
    assert read == {"api_key": "k2", "secret": "s2", "note": "n"}


@step("metadata and listing")
def listing():
    metadata = kv2.read_secret_metadata(path=PATH)["data"]
    assert metadata["current_version"] == 3 and sorted(metadata["versions"]) == ["1", "2", "3"]
    assert kv2.list_secrets(path="tollgate")["data"]["keys"] == ["binance/"]
    assert kv2.list_secrets(path="tollgate/binance/testnet")["data"]["keys"] == ["main"]
    raises(exceptions.InvalidPath, lambda: kv2.list_secrets(path="nothing"))
    assert kv2.read_configuration()["data"]["cas_required"] is False


@step("deleted, restored, destroyed")
def deletion():
    kv2.delete_latest_version_of_secret(path=PATH)
    raises(exceptions.InvalidPath, lambda: kv2.read_secret_version(path=PATH, raise_on_deleted_version=True))
    told = kv2.read_secret_version(path=PATH, raise_on_deleted_version=False)["data"]
    assert told["data"] is None and told["metadata"]["version"] == 3 and told["metadata"]["deletion_time"]
    kv2.undelete_secret_versions(path=PATH, versions=[3])
    assert kv2.read_secret_version(path=PATH, raise_on_deleted_version=True)["data"]["data"]["note"] == "n"
    kv2.destroy_secret_versions(path=PATH, versions=[1])
    raises(exceptions.InvalidPath, lambda: kv2.read_secret_version(path=PATH, version=1, raise_on_deleted_version=True))
    assert kv2.read_secret_metadata(path=PATH)["data"]["versions"]["1"]["destroyed"] is True
    # The count goes on where a version was deleted.
    kv2.delete_secret_versions(path=PATH, versions=[3])
    raises(exceptions.InvalidRequest, lambda: kv2.create_or_update_secret(path=PATH, secret=PAIR, cas=0))
    assert kv2.create_or_update_secret(path=PATH, secret=PAIR, cas=3)["data"]["version"] == 4
    kv2.delete_metadata_and_all_versions(path=PATH)
    raises(exceptions.InvalidPath, lambda: kv2.read_secret_metadata(path=PATH))


@step("KV 1")
def version_one():
    vault.turn(kv=1)
    kv1.create_or_update_secret(path=PATH, secret=PAIR, method="POST")
    assert kv1.read_secret(path=PATH)["data"] == PAIR
    kv1.create_or_update_secret(path=PATH, secret={"api_key": "other"}, method="PUT")
    assert kv1.read_secret(path=PATH)["data"] == {"api_key": "other"}
    assert kv1.list_secrets(path="tollgate")["data"]["keys"] == ["binance/"]
    kv1.delete_secret(path=PATH)
    raises(exceptions.InvalidPath, lambda: kv1.read_secret(path=PATH))
    vault.turn(kv=2)


@step("AppRole, and a token's renewal and end")
def approle():
    stranger = vault.client(token=None)
    wrong = lambda: stranger.auth.approle.login(role_id="role-1", secret_id="wrong")
    raises(exceptions.InvalidRequest, wrong, "invalid role or secret ID")
    auth = stranger.auth.approle.login(role_id="role-1", secret_id="secret-id-1")["auth"]
    assert auth["renewable"] is True and auth["lease_duration"] == 3600 and stranger.token == auth["client_token"]
    assert stranger.auth.token.lookup_self()["data"]["ttl"] == 3600
    vault.turn(advance=1000)
    assert stranger.auth.token.lookup_self()["data"]["ttl"] == 2600
    assert stranger.auth.token.renew_self(increment="600s")["auth"]["lease_duration"] == 600
    vault.turn(advance=599)
    assert stranger.is_authenticated()
    vault.turn(advance=2)
    assert not stranger.is_authenticated()
    raises(exceptions.Forbidden, stranger.auth.token.lookup_self, "permission denied")
    other = vault.client(token=None)
    other.auth.approle.login(role_id="role-1", secret_id="secret-id-1")
    other.auth.token.revoke_self()
    raises(exceptions.Forbidden, other.auth.token.lookup_self)
    raises(exceptions.Forbidden, vault.client(token="nobody's").auth.token.lookup_self)


@step("transit")
def transit():
    engine = root.secrets.transit
    raises(exceptions.InvalidPath, lambda: engine.read_key(name="desk"))
    engine.create_key(name="desk", key_type="aes256-gcm96")
    assert engine.read_key(name="desk")["data"]["latest_version"] == 1
    plain = base64.b64encode(b"a data key").decode()
    wrapped = engine.encrypt_data(name="desk", plaintext=plain)["data"]["ciphertext"]
    assert wrapped.startswith("vault:v1:")
    assert engine.decrypt_data(name="desk", ciphertext=wrapped)["data"]["plaintext"] == plain
    made = engine.generate_data_key(name="desk", key_type="plaintext", bits=256)["data"]
    assert len(base64.b64decode(made["plaintext"])) == 32
    assert engine.decrypt_data(name="desk", ciphertext=made["ciphertext"])["data"]["plaintext"] == made["plaintext"]
    assert "plaintext" not in engine.generate_data_key(name="desk", key_type="wrapped", bits=128)["data"]
    engine.rotate_key(name="desk")
    assert engine.rewrap_data(name="desk", ciphertext=wrapped)["data"]["ciphertext"].startswith("vault:v2:")
    raises(exceptions.InvalidRequest, lambda: engine.decrypt_data(name="desk", ciphertext="vault:v1:AAAA"))


@step("namespaces")
def namespaces():
    vault.turn(namespace="team/app")
    raises(exceptions.Forbidden, root.auth.token.lookup_self)
    assert vault.client(namespace="team/app").is_authenticated()
    vault.turn(namespace=None)


@step("sealed, standby and failures")
def failures():
    vault.turn(sealed=True)
    assert root.sys.is_sealed() and root.sys.read_health_status().status_code == 503
    raises(exceptions.VaultDown, lambda: kv2.read_secret_metadata(path=PATH), "sealed")
    vault.turn(sealed=False, standby=True)
    assert root.sys.read_health_status().status_code == 429
    vault.turn(standby=False)
    for status, kind in [
        (400, exceptions.InvalidRequest),
        (403, exceptions.Forbidden),
        (404, exceptions.InvalidPath),
        (412, exceptions.UnexpectedError),
        (429, exceptions.RateLimitExceeded),
        (500, exceptions.InternalServerError),
        (502, exceptions.BadGateway),
        (503, exceptions.VaultDown),
    ]:
        vault.turn(fault=status)
        fault = raises(kind, root.auth.token.lookup_self)
        assert status == 503 or "a fault" in str(fault), f"{status}: {fault!r}"
    assert root.read("nowhere/at/all") is None
    assert vault.turn() > 60, "all of it was asked of this server"


step.run()
