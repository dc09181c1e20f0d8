"""Read the keys that may sign users' tokens, and decide which algorithms each kind of key is for."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm

from service.auth.secret_strength import check_secret
from service.errors import ConfigurationError

PublicKey = RSAPublicKey | ec.EllipticCurvePublicKey | Ed25519PublicKey | Ed448PublicKey

# Fewer bits can be broken. More would keep a pod busy for one signature.
RSA_BITS: Final = range(2_048, 16_384 + 1)
# Keys of one document. Issuers publish two or three.
MAX_PUBLISHED = 64
# Each algorithm with the minimum length of its secret in characters (RFC 7518, 3.2).
_SECRETS: Final = {"HS256": 32, "HS384": 48, "HS512": 64}
_CURVES: Final = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1", "ES256K": "secp256k1"}
_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_JWK_KINDS: dict[str, Any] = {"RSA": RSAAlgorithm, "EC": ECAlgorithm, "OKP": OKPAlgorithm}


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """One key of a JWKS document. `kid` and `alg` are None if the issuer does not state them."""

    kid: str | None
    alg: str | None
    key: PublicKey

    def signs(self, alg: str) -> bool:
        """Return whether this key can make a signature by `alg`."""
        return self.alg in (None, alg) and fits(self.key, alg)


def checked_algorithms(names: Sequence[str]) -> frozenset[str]:
    """Return the accepted algorithms. Raise ConfigurationError for none, unknown ones, and HS mixed with others.

    If both kinds were accepted, a public key, which everybody has, could pass as the secret of an HS256 signature.
    """
    known = {*_SECRETS, *_CURVES, *_RSA, "EdDSA"}
    if unknown := [name for name in names if name not in known]:
        raise ConfigurationError(
            f"LIKEWISE_JWT_ALGORITHMS: {unknown[0]!r} is not supported. Supported are {', '.join(sorted(known))}."
        )
    if not names:
        raise ConfigurationError("LIKEWISE_JWT_ALGORITHMS is empty. Give one or more, such as RS256.")
    if len({name in _SECRETS for name in names}) > 1:
        raise ConfigurationError("LIKEWISE_JWT_ALGORITHMS mixes HS with other algorithms. Give one kind only.")
    return frozenset(names)


def are_secret(algorithms: frozenset[str]) -> bool:
    """Return whether these algorithms sign and verify with a shared secret."""
    return not algorithms.isdisjoint(_SECRETS)


def fits(key: PublicKey | str, alg: str) -> bool:
    """Return whether `alg` is for this kind of key. A text is a secret."""
    if isinstance(key, str):
        return alg in _SECRETS
    if isinstance(key, RSAPublicKey):
        return alg in _RSA and key.key_size in RSA_BITS
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _CURVES.get(alg) == key.curve.name
    return isinstance(key, Ed25519PublicKey | Ed448PublicKey) and alg == "EdDSA"


def secrets_in(text: str, algorithms: frozenset[str]) -> list[str]:
    """Return the secrets of a text, separated by spaces. Raise ConfigurationError for an unsafe one."""
    if "-----BEGIN" in text:
        raise _error("holds PEM, but LIKEWISE_JWT_ALGORITHMS has HS. Give secrets of 32 characters or more")
    fewest = max(_SECRETS[name] for name in algorithms)
    for place, secret in enumerate(found := text.split(), 1):
        if weak := check_secret(secret):
            raise _error(f"secret {place} {weak}")
        if len(secret) < fewest:
            raise _error(f"secret {place} has {len(secret)} characters; {max(algorithms)} needs {fewest} or more")
        try:
            HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
        except jwt.InvalidKeyError:
            raise _error(f"secret {place} is a public key or JWK, not a secret") from None
    return found


def public_keys_in(text: str, algorithms: frozenset[str]) -> list[PublicKey]:
    r"""Return the public keys of a text in PEM. `\n` may stand for a new line.

    Raises ConfigurationError that names the wrong key.
    """
    text = text.replace("\\n", "\n")
    if _PEM.sub("", text).strip():
        raise _error("holds text that is not PEM. Give each key from `-----BEGIN PUBLIC KEY-----` to its END")
    blocks = enumerate(_PEM.finditer(text), 1)
    return [_public_key(block[0], block[1], place, algorithms) for place, block in blocks]


def published_keys(document: bytes, algorithms: frozenset[str]) -> tuple[PublishedKey, ...]:
    """Return the keys of a JWKS document for `algorithms`, ignoring others. Raise ValueError if it is not one."""
    parsed = json.loads(document)
    entries = parsed.get("keys") if isinstance(parsed, dict) else None
    if not isinstance(entries, list):
        raise ValueError("it is not a JWKS document: it has no list `keys`")  # noqa: TRY004 - the input is wrong
    found = (_published(entry) for entry in entries[:MAX_PUBLISHED] if isinstance(entry, dict))
    return tuple(one for one in found if one and any(one.signs(alg) for alg in algorithms))


def _published(jwk: dict[str, Any]) -> PublishedKey | None:
    ops = jwk.get("key_ops")
    is_for_signatures = jwk.get("use") in (None, "sig") and (ops is None or (isinstance(ops, list) and "verify" in ops))
    if not is_for_signatures or "d" in jwk:
        # With "d" it is a private key. Everybody can sign with it now.
        return None
    try:
        key = _JWK_KINDS[jwk["kty"]].from_jwk(jwk)
    except Exception:
        # One bad key must not make the others unusable.
        return None
    return PublishedKey(jwk.get("kid"), jwk.get("alg"), key)


def _public_key(pem: str, label: str, place: int, algorithms: frozenset[str]) -> PublicKey:
    if "PRIVATE" in label:
        raise _error(f"key {place} is a private key. Give the public one (openssl pkey -in KEY -pubout)")
    try:
        key = load_pem_public_key(pem.encode())
    except Exception:
        # The library raises many kinds. Their messages could hold the key.
        raise _error(f"key {place} cannot be read. Give a public key in PEM, not a {label.lower()}") from None
    if isinstance(key, RSAPublicKey) and key.key_size not in RSA_BITS:
        raise _error(f"key {place} is RSA of {key.key_size} bits. Give {RSA_BITS.start} or more")
    if not any(fits(key, alg) for alg in algorithms):  # type: ignore[arg-type]
        raise _error(f"key {place} is for none of LIKEWISE_JWT_ALGORITHMS, {', '.join(sorted(algorithms))}")
    return key  # type: ignore[return-value]


def _error(reason: str) -> ConfigurationError:
    return ConfigurationError(f"LIKEWISE_JWT_KEYS {reason}.")
