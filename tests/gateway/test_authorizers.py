"""Authorizers and API keys of Chalice apps, over HTTP."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from chalice.app import (
    Authorizer,
    AuthResponse,
    AuthRoute,
    Chalice,
    CognitoUserPoolAuthorizer,
    CustomAuthorizer,
    IAMAuthorizer,
)
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from chalice_gateway.authorizers import Authorizers, AuthorizerSettings, UncheckedAuthorizers
from chalice_gateway.chalice_app import lambdas_of
from chalice_gateway.chalice_config import StageConfig
from chalice_gateway.cognito import CognitoKeys, CognitoKeysError
from chalice_gateway.gateway_responses import GatewayResponse, ResponseType
from chalice_gateway.lambdas import ExecutionEnvironments, make_thread_safe
from chalice_gateway.proxy_request import ApiIdentity
from chalice_gateway.rest import RestApi
from chalice_gateway.sigv4 import Credentials
from tests.waiting import HUNG_AFTER_S

from .http_serving import Answer, Wire, serving

POOL = "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_abc"
ISSUER = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc"


@contextmanager
def served(
    app: Chalice,
    settings: AuthorizerSettings | None = None,
    *,
    now_seconds: Callable[[], float] = time.monotonic,
    responses: dict[ResponseType, GatewayResponse] | None = None,
) -> Iterator[Wire]:
    make_thread_safe(app)
    environments = ExecutionEnvironments()
    lambdas = lambdas_of(app, StageConfig("dev"))
    api = RestApi(
        app,
        lambdas.rest,
        environments,
        identity=ApiIdentity(stage="dev"),
        authorizers=Authorizers(
            app, lambdas.functions, environments, settings, now_seconds=now_seconds
        ),
        responses=responses,
    )
    with (
        serving(api.handle, error_response=api.error_response) as server,
        Wire(server.port) as wire,
    ):
        yield wire
    assert asyncio.run(environments.stop(HUNG_AFTER_S))


def new_app() -> Chalice:
    return Chalice("pets", configure_logs=False)


def context(app: Chalice) -> Any:
    assert app.current_request is not None
    return app.current_request.context


def protect(app: Chalice, authorizer: Any, *paths: str) -> None:
    for path in paths:

        @app.route(path, methods=["GET", "POST"], authorizer=authorizer, name=path)
        def view(**_: str) -> Any:
            return context(app)


class Pets:
    """An app with a built-in authorizer that returns what ``results`` has for a token."""

    def __init__(self, ttl_seconds: int | None = None, header: str = "Authorization") -> None:
        self.app = app = new_app()
        self.calls: list[Any] = []
        self.results: dict[str, Any] = {}

        @app.authorizer(name="guard", ttl_seconds=ttl_seconds, header=header)
        def guard(request: Any) -> Any:
            self.calls.append(request)
            result = self.results[request.token]
            if isinstance(result, BaseException):
                raise result
            return result

        protect(app, guard, "/pets", "/pets/{name}", "/dogs")

        @app.route("/open")
        def open_view() -> Any:
            return context(app)


def body(answer: Answer) -> Any:
    return json.loads(answer.body)


def test_request_without_a_token_is_401_and_runs_no_function() -> None:
    pets = Pets()
    with served(pets.app) as wire:
        for headers in ((), ("Authorization: ",)):
            answer = wire.get("/pets", *headers)
            assert (answer.status, body(answer)) == (401, {"message": "Unauthorized"})
            assert answer.header("x-amzn-errortype") == "UnauthorizedException"
            assert answer.header("x-amzn-requestid")
        assert wire.get("/open").status == 200
    assert pets.calls == []


def test_allowed_caller_is_known_to_the_view() -> None:
    pets = Pets()
    pets.results["secret"] = AuthResponse(["*"], "ada", {"team": "x", "age": 1, "ok": True})  # type: ignore[dict-item]
    with served(pets.app) as wire:
        answer = wire.get("/pets/rex?a=1", "authorization: secret")
        assert answer.status == 200
        authorizer = body(answer)["authorizer"]
        assert authorizer.pop("integrationLatency") >= 0
        assert authorizer == {"principalId": "ada", "team": "x", "age": "1", "ok": "true"}
        assert "authorizer" not in body(wire.get("/open"))
    (request,) = pets.calls
    assert (request.auth_type, request.token) == ("TOKEN", "secret")
    assert request.method_arn == (
        "arn:aws:execute-api:us-east-1:123456789012:local00000/dev/GET/pets/rex"
    )


def test_other_route_is_denied_implicitly() -> None:
    pets = Pets()
    pets.results["secret"] = AuthResponse(["/pets", AuthRoute("/dogs", ["POST"])], "ada")
    with served(pets.app) as wire:
        assert wire.get("/pets", "Authorization: secret").status == 200
        assert wire.get("/dogs", "Authorization: secret", method="POST").status == 200
        for path in ("/pets/rex", "/dogs"):
            answer = wire.get(path, "Authorization: secret")
            assert answer.status == 403
            assert body(answer) == {"Message": "User is not authorized to access this resource"}
            assert answer.header("x-amzn-errortype") == "AccessDeniedException"


def test_explicit_deny_says_so() -> None:
    pets = Pets()
    pets.results["secret"] = {
        "principalId": "ada",
        "policyDocument": {
            "Statement": [{"Action": "execute-api:Invoke", "Effect": "Deny", "Resource": "*"}]
        },
    }
    with served(pets.app) as wire:
        answer = wire.get("/pets", "Authorization: secret")
    assert (answer.status, body(answer)) == (
        403,
        {"Message": "User is not authorized to access this resource with an explicit deny"},
    )


def test_raising_unauthorized_is_401() -> None:
    pets = Pets()
    pets.results["secret"] = Exception("Unauthorized")
    with served(pets.app) as wire:
        for _ in range(2):
            answer = wire.get("/pets", "Authorization: secret")
            assert (answer.status, body(answer)) == (401, {"message": "Unauthorized"})
    assert len(pets.calls) == 2


@pytest.mark.parametrize(
    "result",
    [
        ValueError("broken"),
        None,
        {"principalId": "ada"},
        {"principalId": "ada", "policyDocument": {"Statement": [{"Effect": "Maybe"}]}},
        {"principalId": "a", "policyDocument": {"Statement": []}, "context": {"list": []}},
        {"principalId": "a", "policyDocument": {"Statement": []}, "context": ["x"]},
    ],
)
def test_broken_authorizer_is_500_without_details(
    result: Any, caplog: pytest.LogCaptureFixture
) -> None:
    pets = Pets()
    pets.results["secret"] = result
    with served(pets.app) as wire:
        answer = wire.get("/pets", "Authorization: secret")
    assert (answer.status, body(answer)) == (500, {"message": None})
    assert answer.header("x-amzn-errortype") == "AuthorizerConfigurationException"
    assert "pets-dev-guard" in caplog.text


def test_customised_response_replaces_the_body() -> None:
    pets = Pets()
    pets.results["secret"] = AuthResponse([], "ada")
    responses = {ResponseType.ACCESS_DENIED: GatewayResponse(body="no: $context.error.message")}
    with served(pets.app, responses=responses) as wire:
        answer = wire.get("/pets", "Authorization: secret")
    assert answer.body == b"no: User is not authorized to access this resource"


def test_policy_is_cached_for_ttl_seconds_for_all_routes() -> None:
    pets = Pets(ttl_seconds=10)
    now = [100.0]
    pets.results |= {"a": AuthResponse(["/pets"], "ada"), "b": AuthResponse(["*"], "bob")}
    with served(pets.app, now_seconds=lambda: now[0]) as wire:
        assert wire.get("/pets", "Authorization: a").status == 200
        now[0] = 109.9
        pets.results["a"] = AuthResponse(["*"], "eve")
        cached = wire.get("/pets", "Authorization: a")
        assert body(cached)["authorizer"] == {"principalId": "ada", "integrationLatency": 0}
        # The well-known trap: the cached policy of one route denies another.
        assert wire.get("/dogs", "Authorization: a").status == 403
        assert len(pets.calls) == 1
        assert wire.get("/dogs", "Authorization: b").status == 200
        assert len(pets.calls) == 2
        now[0] = 110.0
        assert wire.get("/dogs", "Authorization: a").status == 200
        assert len(pets.calls) == 3


@pytest.mark.parametrize(("ttl_seconds", "calls"), [(0, 2), (None, 1)])
def test_policy_is_cached_by_default_unless_ttl_is_zero(
    ttl_seconds: int | None, calls: int
) -> None:
    pets = Pets(ttl_seconds=ttl_seconds, header="X-Token")
    pets.results["a"] = AuthResponse(["*"], "ada")
    with served(pets.app) as wire:
        for _ in range(2):
            assert wire.get("/pets", "x-token: a").status == 200
        assert wire.get("/pets", "Authorization: a").status == 401
    assert len(pets.calls) == calls


def custom(function: str) -> CustomAuthorizer:
    arn = f"arn:aws:lambda:us-west-2:123456789012:function:{function}"
    uri = f"arn:aws:apigateway:us-west-2:lambda:path/2015-03-31/functions/{arn}/invocations"
    return CustomAuthorizer("by-arn", uri, ttl_seconds=0, header="X-Token")


def test_authorizer_by_arn_runs_a_function_of_the_app() -> None:
    app = new_app()

    @app.lambda_function(name="guard")
    def guard(event: Any, _context: Any) -> Any:
        assert event["type"] == "TOKEN"
        effect = "Allow" if event["authorizationToken"] == "yes" else "Deny"
        statement = {
            "Action": "execute-api:Invoke",
            "Effect": effect,
            "Resource": event["methodArn"],
        }
        return {"principalId": "ada", "policyDocument": {"Statement": [statement]}}

    protect(app, custom("pets-dev-guard"), "/pets")
    with served(app) as wire:
        assert wire.get("/pets", "X-Token: yes").status == 200
        assert wire.get("/pets", "X-Token: no").status == 403
        assert wire.get("/pets").status == 401


# Cognito.


@pytest.fixture(scope="module")
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def jwks(private_key: rsa.RSAPrivateKey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = json.loads(RSAAlgorithm.to_jwk(private_key.public_key()))
    path = tmp_path_factory.mktemp("keys") / "jwks.json"
    path.write_text(json.dumps({"keys": [{**key, "kid": "one", "alg": "RS256", "use": "sig"}]}))
    return path


def signed(key: Any, kid: str = "one", **claims: Any) -> str:
    now_s = int(time.time())
    return jwt.encode(
        {
            "iss": ISSUER,
            "iat": now_s,
            "exp": now_s + 60,
            "sub": "ada",
            "token_use": "id",
            **claims,
        },
        key,
        algorithm="RS256",
        headers={"kid": kid},
    )


def cognito(jwks: Path, *, scopes: list[str] | None = None) -> Any:
    app = new_app()
    protect(app, CognitoUserPoolAuthorizer("pool", [POOL], scopes=scopes), "/pets")
    return served(app, AuthorizerSettings(cognito_keys=CognitoKeys.read([jwks])))


def test_cognito_token_is_verified_and_its_claims_are_strings(
    jwks: Path, private_key: rsa.RSAPrivateKey
) -> None:
    claims: dict[str, Any] = {
        "cognito:groups": ["a", "b"],
        "email_verified": True,
        "auth_time": 5,
        "iat": 1_583_346_200,
    }
    token = signed(private_key, **claims)
    with cognito(jwks) as wire:
        for header in (token, f"Bearer {token}"):
            answer = wire.get("/pets", f"Authorization: {header}")
            assert answer.status == 200
        claims = body(answer)["authorizer"]["claims"]
    assert claims["sub"] == "ada"
    assert claims["cognito:groups"] == "a,b"
    assert claims["email_verified"] == "true"
    assert claims["auth_time"] == "5"
    assert claims["iat"] == "Wed Mar 04 18:23:20 UTC 2020"


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"exp": 1}, "The incoming token has expired"),
        ({"iss": ISSUER + "d"}, "Unauthorized"),
        ({"token_use": "access"}, "Unauthorized"),
        ({"kid": "two"}, "Unauthorized"),
        (None, "Unauthorized"),
    ],
)
def test_other_cognito_token_is_401(
    claims: dict[str, Any] | None, message: str, jwks: Path, private_key: rsa.RSAPrivateKey
) -> None:
    token = "nonsense" if claims is None else signed(private_key, **claims)
    with cognito(jwks) as wire:
        answer = wire.get("/pets", f"Authorization: {token}")
        assert (answer.status, body(answer)) == (401, {"message": message})
        assert wire.get("/pets").status == 401


def test_token_of_another_key_is_401(jwks: Path) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with cognito(jwks) as wire:
        assert wire.get("/pets", f"Authorization: {signed(other)}").status == 401
        shared = jwt.encode({"iss": ISSUER}, "x" * 32, "HS256", headers={"kid": "one"})
        assert wire.get("/pets", f"Authorization: {shared}").status == 401


def test_scope_needs_an_access_token_that_has_it(
    jwks: Path, private_key: rsa.RSAPrivateKey
) -> None:
    with cognito(jwks, scopes=["pets/read", "pets/write"]) as wire:
        cases: list[tuple[dict[str, Any], int]] = [
            ({"token_use": "access", "scope": "x pets/read"}, 200),
            ({"token_use": "access", "scope": "pets"}, 401),
            ({"token_use": "access"}, 401),
            ({"token_use": "id", "scope": "pets/read"}, 401),
        ]
        for claims, status in cases:
            token = signed(private_key, **claims)
            assert wire.get("/pets", f"Authorization: {token}").status == status


@pytest.mark.parametrize("text", ["{", "{}", '{"keys": []}', '{"keys": [{"kty": "RSA"}]}', None])
def test_unusable_key_file_is_an_error_with_its_name(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(CognitoKeysError, match=r"jwks\.json"):
        CognitoKeys.read([path])


# IAM.


def signature(wire: Wire, secret: str = "local", key: str = "local", **headers: str) -> list[str]:
    request = AWSRequest("GET", "http://test/pets?a=b%20c", headers={"Host": "test", **headers})
    SigV4Auth(BotocoreCredentials(key, secret), "execute-api", "us-east-1").add_auth(request)
    return [f"{name}: {value}" for name, value in request.headers.items() if name != "Host"]


def test_iam_route_accepts_the_gateway_s_credentials_only() -> None:
    app = new_app()
    protect(app, IAMAuthorizer(), "/pets")
    with served(app, AuthorizerSettings(credentials=Credentials("local", "local"))) as wire:
        answer = wire.get("/pets?a=b%20c", *signature(wire))
        assert answer.status == 200
        identity = body(answer)["identity"]
        assert identity["accessKey"] == "local"
        assert identity["userArn"] == "arn:aws:iam::123456789012:user/local"
        assert "authorizer" not in body(answer)

        for headers, error, message in (
            ([], "MissingAuthenticationTokenException", "Missing Authentication Token"),
            (["Authorization: Bearer x"], "IncompleteSignatureException", "Invalid key=value"),
            (signature(wire, "wrong"), "InvalidSignatureException", "The request signature"),
            (signature(wire, key="no"), "UnrecognizedClientException", "The security token"),
        ):
            answer = wire.get("/pets?a=b%20c", *headers)
            assert answer.status == 403
            assert answer.header("x-amzn-errortype") == error
            assert body(answer)["message"].startswith(message)


# API keys.


def test_api_key_is_required() -> None:
    app = new_app()

    @app.route("/pets", api_key_required=True)
    def view() -> Any:
        return context(app)

    with served(app, AuthorizerSettings(api_keys=("one", "two"))) as wire:
        answer = wire.get("/pets", "X-Api-Key: two")
        assert answer.status == 200
        assert body(answer)["identity"]["apiKey"] == "two"
        assert body(answer)["identity"]["apiKeyId"] == "local00001"
        for headers in ([], ["x-api-key: three"], ["x-api-key: \xe4"]):
            answer = wire.get("/pets", *headers)
            assert (answer.status, body(answer)) == (403, {"message": "Forbidden"})
            assert answer.header("x-amzn-errortype") == "ForbiddenException"


def test_authorizer_is_asked_before_the_api_key() -> None:
    pets = Pets()
    pets.app.routes["/pets"]["GET"].api_key_required = True
    pets.results["a"] = AuthResponse(["*"], "ada")
    with served(pets.app, AuthorizerSettings(api_keys=("one",))) as wire:
        assert wire.get("/pets", "x-api-key: one").status == 401
        assert wire.get("/pets", "Authorization: a").status == 403
        answer = wire.get("/pets", "Authorization: a", "x-api-key: one")
        assert body(answer)["authorizer"]["principalId"] == "ada"
        assert body(answer)["identity"]["apiKey"] == "one"


# What can't be checked.


class Homemade(Authorizer):
    name = "homemade"

    def to_swagger(self) -> dict[str, Any]:
        return {"type": "apiKey", "name": "x", "in": "header"}


def unchecked_app() -> Chalice:
    app = new_app()
    protect(app, CognitoUserPoolAuthorizer("pool", [POOL]), "/cognito")
    protect(app, custom("elsewhere"), "/custom")
    protect(app, Homemade(), "/homemade")

    @app.route("/key", api_key_required=True)
    def view() -> Any:
        return {}

    return app


def test_unchecked_authorizers_are_refused_with_each_route() -> None:
    with pytest.raises(UncheckedAuthorizers) as raised, served(unchecked_app()):
        pass
    message = str(raised.value)
    assert "GET /cognito: authorizer pool needs the user pool's keys" in message
    assert "POST /cognito" in message
    assert "function:elsewhere/invocations, is not one of this app" in message
    assert "GET /homemade: authorizer homemade is of a type" in message
    assert "GET /key: it needs an API key; set the valid ones with --api-key" in message
    assert "--allow-unchecked-authorizers" in message


def test_allowed_unchecked_authorizers_are_logged_for_each_route(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with served(unchecked_app(), AuthorizerSettings(allow_unchecked=True)) as wire:
        for path in ("/cognito", "/custom", "/homemade", "/key"):
            assert wire.get(path).status == 200
            assert f"Any caller is let in to GET {path}: " in caplog.text


def test_rest_api_without_authorizers_refuses_an_app_that_has_some() -> None:
    app = Pets().app
    environments = ExecutionEnvironments()
    function = lambdas_of(app, StageConfig("dev")).rest
    with pytest.raises(UncheckedAuthorizers):
        RestApi(app, function, environments, identity=ApiIdentity())
