"""Cognito user pool authorizers: verification of a user pool's tokens with its public keys.

Owns the claims that API Gateway checks and the form in which events show them. PyJWT verifies
signatures. Must never fetch a key.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-integrate-with-cognito.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .errors import StartupError

if TYPE_CHECKING:
    import jwt

ALGORITHM: Final = "RS256"


class CognitoKeysError(StartupError):
    """The JWK set can't be used; the message names the file and the error."""


class InvalidToken(Exception):
    """API Gateway would refuse the token with 401; ``str()`` is its message."""


class CognitoKeys:
    """The public keys of user pools: their JWK sets."""

    def __init__(self, keys: jwt.PyJWKSet) -> None:
        self._keys = {key.key_id: key for key in keys.keys if key.key_id is not None}

    @classmethod
    def read(cls, paths: Iterable[Path]) -> CognitoKeys:
        """The keys of one or several ``.well-known/jwks.json``.

        Raises:
            CognitoKeysError: A file can't be read, or has no key.
        """
        try:
            import jwt  # noqa: PLC0415 - only --cognito-jwks needs it
        except ImportError as error:
            raise CognitoKeysError(
                "Cognito's tokens need the package pyjwt: pip install 'chalice-gateway[cognito]'"
            ) from error
        keys: list[dict[str, Any]] = []
        for path in paths:
            try:
                keys += json.loads(path.read_bytes())["keys"]
            except OSError as error:
                raise CognitoKeysError(f"{path}: {error.strerror}") from error
            except (ValueError, KeyError, TypeError) as error:
                raise CognitoKeysError(f"{path} is not a JWK set: {error!r}") from error
        try:
            return cls(jwt.PyJWKSet(keys))
        except (jwt.PyJWTError, AttributeError, TypeError) as error:
            files = ", ".join(map(str, paths))
            raise CognitoKeysError(
                f"{files}: {error}. A key needs kid, kty, n and e, and RSA needs the package"
                " cryptography."
            ) from error

    def claims(
        self, token: str, *, pools: Collection[str], scopes: Collection[str]
    ) -> dict[str, str]:
        """The claims of a token of one of ``pools``, which are ARNs, as an event shows them.

        With ``scopes`` it must be an access token that has one of them, otherwise an id token.

        Raises:
            InvalidToken: It is not.
        """
        import jwt  # noqa: PLC0415 - it was there when the keys were read

        try:
            key = self._keys[jwt.get_unverified_header(token)["kid"]]
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                issuer=[issuer(arn) for arn in pools],
                options={"require": ["exp", "iat", "iss"], "verify_aud": False},
            )
        except jwt.ExpiredSignatureError:
            raise InvalidToken("The incoming token has expired") from None
        except (jwt.PyJWTError, KeyError, TypeError):
            raise InvalidToken("Unauthorized") from None
        # [?] AWS documents which token is expected, not its answer to the other.
        if claims.get("token_use") != ("access" if scopes else "id"):
            raise InvalidToken("Unauthorized")
        if scopes and not set(scopes) & set(str(claims.get("scope", "")).split()):
            raise InvalidToken("Unauthorized")
        return {name: _shown(name, value) for name, value in claims.items()}


def issuer(pool_arn: str) -> str:
    """The ``iss`` of the tokens of a user pool."""
    # arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_abc
    _, _, _, region, _, resource = pool_arn.split(":", 5)
    return f"https://cognito-idp.{region}.amazonaws.com/{resource.partition('/')[2]}"


def _shown(name: str, value: Any) -> str:
    # As in captured events: two times are dates, and all values are strings.
    if name in ("exp", "iat"):
        return time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime(value))
    if isinstance(value, list):
        return ",".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value)
