"""The method request's authorization: Chalice's authorizers and API keys, checked as AWS does.

Owns which authorizer a method has, what each of them checks, and the cache of policies.
Must never let a request in that it can't check, unless the settings say so.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-control-access-to-api.html
"""

from __future__ import annotations

import hmac
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from chalice.app import Chalice, ChaliceAuthorizer, RouteEntry

from .cognito import CognitoKeys, InvalidToken
from .errors import StartupError
from .gateway_responses import (
    AUTHORIZER_FAILED,
    EXPLICITLY_DENIED,
    IMPLICITLY_DENIED,
    INVALID_API_KEY,
    MISSING_AUTHENTICATION_TOKEN,
    GatewayError,
    no_such_method,
    unauthorized,
    unsigned,
)
from .http_messages import Request
from .lambdas import (
    ACCOUNT_ID,
    CallerTimeout,
    ExecutionEnvironments,
    FunctionError,
    FunctionTimeout,
    LambdaFunction,
)
from .policies import Decision, InvalidPolicy, evaluate
from .sigv4 import Credentials, SignatureError, Verifier

LOG = logging.getLogger(__name__)

TIMEOUT_SECONDS: Final = 29.0
DEFAULT_TTL_SECONDS: Final = 300
# A client may send any number of tokens.
CACHED_POLICIES: Final = 10_000

_FUNCTION_URI: Final = re.compile(
    r"arn:[a-z-]+:apigateway:[a-z0-9-]+:lambda:path/[0-9-]+/functions/"
    r"arn:[a-z-]+:lambda:[a-z0-9-]+:\d*:function:([A-Za-z0-9_-]+)(?::[^/]+)?/invocations"
)


class UncheckedAuthorizers(StartupError):
    """Routes have authorizers that can't be checked; the message lists them."""


@dataclass(frozen=True, slots=True)
class Authorized:
    """What an event contains about the caller.

    ``context`` becomes ``requestContext.authorizer``; ``identity`` is merged into
    ``requestContext.identity``.
    """

    context: Mapping[str, Any] | None = None
    identity: Mapping[str, str] = field(default_factory=dict)


ANONYMOUS: Final = Authorized()


@dataclass(frozen=True, slots=True)
class AuthorizerSettings:
    """What callers are checked against. Without ``cognito_keys`` no Cognito token is valid."""

    credentials: Credentials = field(default_factory=Credentials)
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    cognito_keys: CognitoKeys | None = None
    allow_unchecked: bool = False


class MethodAuthorizer(Protocol):
    async def authorize(self, request: Request, method_arn: str) -> Authorized | GatewayError: ...


class _CannotCheck(Exception):
    """Why an authorizer can't be checked, and what to do."""


class Authorizers:
    """The authorizers of an app's methods.

    ``functions`` are the app's Lambda functions by name, which ``environments`` run.

    Raises:
        UncheckedAuthorizers: Some can't be checked, and the settings don't allow that.
    """

    def __init__(
        self,
        app: Chalice,
        functions: Mapping[str, LambdaFunction],
        environments: ExecutionEnvironments,
        settings: AuthorizerSettings | None = None,
        *,
        now_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._functions = functions
        self._environments = environments
        self._settings = settings or AuthorizerSettings()
        self._now_seconds = now_seconds
        self._lambda_authorizers: dict[str, LambdaAuthorizer] = {}
        self._methods: dict[tuple[str, str], list[MethodAuthorizer]] = {}
        unchecked: list[str] = []
        for path, methods in app.routes.items():
            for method, route in methods.items():
                checks: list[MethodAuthorizer] = []
                for needed in (self._authorizer_of, self._api_key_of):
                    try:
                        checks += needed(app, route)
                    except _CannotCheck as error:
                        unchecked.append(f"{method} {path}: {error}")
                if checks:
                    self._methods[path, method] = checks
        if unchecked and not self._settings.allow_unchecked:
            raise UncheckedAuthorizers(
                "These routes have authorizers that can't be checked:\n  "
                + "\n  ".join(unchecked)
                + "\nTo let any caller in to them, start with --allow-unchecked-authorizers."
            )
        for each in unchecked:
            LOG.warning("Any caller is let in to %s", each)

    async def authorize(
        self, request: Request, resource_path: str, method_arn: str
    ) -> Authorized | GatewayError:
        """What the caller of a method is known by, or why they are refused."""
        context: Mapping[str, Any] | None = None
        identity: dict[str, str] = {}
        for check in self._methods.get((resource_path, request.method), ()):
            outcome = await check.authorize(request, method_arn)
            if isinstance(outcome, GatewayError):
                return outcome
            context = outcome.context if context is None else context
            identity |= outcome.identity
        return Authorized(context, identity)

    def _api_key_of(self, _app: Chalice, route: RouteEntry) -> Iterable[MethodAuthorizer]:
        if not route.api_key_required:
            return ()
        if not self._settings.api_keys:
            raise _CannotCheck("it needs an API key; set the valid ones with --api-key")
        return (ApiKeyAuthorizer(self._settings.api_keys),)

    def _authorizer_of(self, app: Chalice, route: RouteEntry) -> Iterable[MethodAuthorizer]:
        authorizer = route.authorizer
        if authorizer is None:
            return ()
        if isinstance(authorizer, ChaliceAuthorizer):
            config = authorizer.config
            function = next(
                (
                    each
                    for each in self._functions.values()
                    if each.handler is app.handler_map.get(config.name)
                ),
                None,
            )
            if function is None:
                raise _CannotCheck(f"the function of authorizer {config.name} is not known")
            return (
                self._lambda_authorizer(
                    authorizer.name, function, config.header, config.ttl_seconds
                ),
            )
        scheme = authorizer.to_swagger()
        details = scheme.get("x-amazon-apigateway-authorizer", {})
        match scheme.get("x-amazon-apigateway-authtype"), details.get("type"):
            case "awsSigv4", _:
                return (IamAuthorizer(self._settings.credentials),)
            case "cognito_user_pools", _:
                if self._settings.cognito_keys is None:
                    raise _CannotCheck(
                        f"authorizer {authorizer.name} needs the user pool's keys; set their"
                        " file with --cognito-jwks"
                    )
                return (
                    CognitoAuthorizer(
                        self._settings.cognito_keys,
                        scheme["name"],
                        tuple(details["providerARNs"]),
                        tuple(authorizer.scopes),
                    ),
                )
            case "custom", "token":
                uri = str(details.get("authorizerUri"))
                return (
                    self._lambda_authorizer(
                        authorizer.name,
                        self._function_of_uri(authorizer.name, uri),
                        scheme["name"],
                        details.get("authorizerResultTtlInSeconds"),
                    ),
                )
        raise _CannotCheck(f"authorizer {authorizer.name} is of a type that isn't emulated")

    def _function_of_uri(self, authorizer: str, uri: str) -> LambdaFunction:
        match = _FUNCTION_URI.fullmatch(uri)
        function = self._functions.get(match[1]) if match else None
        if function is None:
            raise _CannotCheck(
                f"the function of authorizer {authorizer}, {uri}, is not one of this app:"
                f" {', '.join(self._functions) or 'it has none'}"
            )
        return function

    def _lambda_authorizer(
        self, name: str, function: LambdaFunction, header: str, ttl_seconds: int | None
    ) -> LambdaAuthorizer:
        # One for all routes that share it, because so is its cache on AWS.
        return self._lambda_authorizers.setdefault(
            name,
            LambdaAuthorizer(
                function,
                self._environments,
                header=header,
                ttl_seconds=DEFAULT_TTL_SECONDS if ttl_seconds is None else ttl_seconds,
                now_seconds=self._now_seconds,
            ),
        )


@dataclass(frozen=True, slots=True)
class _Output:
    """A Lambda authorizer's result, valid until ``expires_at_s``."""

    policy: Any
    context: Mapping[str, Any]
    expires_at_s: float


class LambdaAuthorizer:
    """A TOKEN authorizer: runs a function, and caches the policy that it returns per token.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
    """

    def __init__(
        self,
        function: LambdaFunction,
        environments: ExecutionEnvironments,
        *,
        header: str,
        ttl_seconds: float,
        now_seconds: Callable[[], float],
    ) -> None:
        self._function = function
        self._environments = environments
        self._header = header
        self._ttl_seconds = ttl_seconds
        self._now_seconds = now_seconds
        self._cache: dict[str, _Output] = {}

    async def authorize(self, request: Request, method_arn: str) -> Authorized | GatewayError:
        token = request.header(self._header)
        if not token:
            return unauthorized()
        cached = self._cache.get(token)
        if cached is not None and self._now_seconds() < cached.expires_at_s:
            return self._decide(cached, method_arn, latency_ms=0)
        starts_at_s = time.monotonic()
        output = await self._run(token, method_arn)
        if isinstance(output, GatewayError):
            return output
        latency_ms = int((time.monotonic() - starts_at_s) * 1000)
        decision = self._decide(output, method_arn, latency_ms)
        if self._ttl_seconds > 0 and decision is not AUTHORIZER_FAILED:
            if len(self._cache) >= CACHED_POLICIES:
                self._cache.clear()
            self._cache[token] = output
        return decision

    async def _run(self, token: str, method_arn: str) -> _Output | GatewayError:
        event = {"type": "TOKEN", "methodArn": method_arn, "authorizationToken": token}
        name = self._function.name
        try:
            result = await self._environments.invoke(
                self._function, event, timeout_seconds=TIMEOUT_SECONDS
            )
        except (CallerTimeout, FunctionTimeout) as error:
            LOG.error("Authorizer %s timed out: %s", name, error)
            return AUTHORIZER_FAILED
        except FunctionError as error:
            if str(error.__cause__) == "Unauthorized":
                return unauthorized()
            LOG.error("Authorizer %s failed: %s", name, error, exc_info=error.__cause__)
            return AUTHORIZER_FAILED
        if not isinstance(result, dict):
            LOG.error("Authorizer %s must return an object, got %r", name, result)
            return AUTHORIZER_FAILED
        context = result.get("context") or {}
        if not isinstance(context, dict) or not all(
            isinstance(value, str | int | float) for value in context.values()
        ):
            LOG.error(
                "Authorizer %s: the values of context must be strings, numbers or booleans, got %r",
                *(name, context),
            )
            return AUTHORIZER_FAILED
        principal = {"principalId": result["principalId"]} if "principalId" in result else {}
        return _Output(
            result.get("policyDocument"),
            principal | {key: _shown(value) for key, value in context.items()},
            self._now_seconds() + self._ttl_seconds,
        )

    def _decide(
        self, output: _Output, method_arn: str, latency_ms: int
    ) -> Authorized | GatewayError:
        try:
            decision = evaluate(output.policy, method_arn)
        except InvalidPolicy as error:
            LOG.error("Authorizer %s returned an invalid policy: %s", self._function.name, error)
            return AUTHORIZER_FAILED
        if decision is Decision.EXPLICIT_DENY:
            return EXPLICITLY_DENIED
        if decision is Decision.IMPLICIT_DENY:
            return IMPLICITLY_DENIED
        return Authorized({**output.context, "integrationLatency": latency_ms})


class CognitoAuthorizer:
    """Accepts the tokens of user pools."""

    def __init__(
        self, keys: CognitoKeys, header: str, pools: tuple[str, ...], scopes: tuple[str, ...]
    ) -> None:
        self._keys = keys
        self._header = header
        self._pools = pools
        self._scopes = scopes

    async def authorize(self, request: Request, method_arn: str) -> Authorized | GatewayError:
        token = (request.header(self._header) or "").removeprefix("Bearer ")
        try:
            claims = self._keys.claims(token, pools=self._pools, scopes=self._scopes)
        except InvalidToken as error:
            return unauthorized(str(error))
        return Authorized({"claims": claims})


class IamAuthorizer:
    """Accepts requests that are signed with the gateway's credentials."""

    def __init__(self, credentials: Credentials) -> None:
        self._verifier = Verifier(credentials)
        user_id = "AIDALOCAL000000000000"
        self._authorized = Authorized(
            identity={
                "accountId": ACCOUNT_ID,
                "caller": user_id,
                "accessKey": credentials.access_key,
                "userArn": f"arn:aws:iam::{ACCOUNT_ID}:user/local",
                "user": user_id,
            }
        )

    async def authorize(self, request: Request, method_arn: str) -> Authorized | GatewayError:
        authorization = request.header("authorization")
        if authorization is None:
            return MISSING_AUTHENTICATION_TOKEN
        if not authorization.startswith("AWS4-HMAC-SHA256"):
            return no_such_method(authorization)
        try:
            self._verifier.verify(request, "execute-api")
        except SignatureError as error:
            return unsigned(error.message, error.error_type)
        return self._authorized


class ApiKeyAuthorizer:
    """Accepts requests with one of the API keys in ``x-api-key``."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._keys = keys

    async def authorize(self, request: Request, method_arn: str) -> Authorized | GatewayError:
        given = request.header("x-api-key") or ""
        for number, key in enumerate(self._keys):
            if hmac.compare_digest(given.encode(), key.encode()):
                return Authorized(identity={"apiKey": key, "apiKeyId": f"local{number:05}"})
        return INVALID_API_KEY


def _shown(value: str | float) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
