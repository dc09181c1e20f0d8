"""Keys that users' tokens may be signed with, and the signatures that each kind of key can make."""

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

from service.auth.secret_strength import weakness
from service.errors import ConfigurationError

PublicKey = RSAPublicKey | ec.EllipticCurvePublicKey | Ed25519PublicKey | Ed448PublicKey

RSA_BITS: Final = range(2_048, 16_384 + 1)  # fewer can be broken, more would keep a pod busy for one signature
MAX_PUBLISHED = 64  # keys of one document; issuers publish two or three
_SECRETS: Final = {"HS256": 32, "HS384": 48, "HS512": 64}  # with their fewest characters, RFC 7518, 3.2
_CURVES: Final = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1", "ES256K": "secp256k1"}
_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_JWK_KINDS: dict[str, Any] = {"RSA": RSAAlgorithm, "EC": ECAlgorithm, "OKP": OKPAlgorithm}


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """One key of a JWKS document: its name and the only algorithm it is for, where the issuer says so."""

    kid: str | None
    alg: str | None
    key: PublicKey

    def signs(self, alg: str) -> bool:
        """Whether a signature by `alg` can be of this key."""
        return self.alg in (None, alg) and fits(self.key, alg)


def checked_algorithms(names: Sequence[str]) -> frozenset[str]:
    """The signatures that count. ConfigurationError for none, unknown ones, and secrets among public keys.

    With both kinds a public key, which everybody has, could be taken for the secret of an HS256 signature.
    """
    known = {*_SECRETS, *_CURVES, *_RSA, "EdDSA"}
    if unknown := [name for name in names if name not in known]:
        raise ConfigurationError(
            f"LIKEWISE_JWT_ALGORITHMS: {unknown[0]!r} is not taken; there are {', '.join(sorted(known))}"
        )
    if not names:
        raise ConfigurationError("LIKEWISE_JWT_ALGORITHMS is empty; give one or more, like RS256")
    if len({name in _SECRETS for name in names}) > 1:
        raise ConfigurationError("LIKEWISE_JWT_ALGORITHMS mixes HS with others; give HS alone, or none of them")
    return frozenset(names)


def are_secret(algorithms: frozenset[str]) -> bool:
    """Whether these algorithms sign and check with the same secret."""
    return not algorithms.isdisjoint(_SECRETS)


def fits(key: PublicKey | str, alg: str) -> bool:
    """Whether `alg` is for this kind of key; a text is a secret."""
    if isinstance(key, str):
        return alg in _SECRETS
    if isinstance(key, RSAPublicKey):
        return alg in _RSA and key.key_size in RSA_BITS
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _CURVES.get(alg) == key.curve.name
    return isinstance(key, Ed25519PublicKey | Ed448PublicKey) and alg == "EdDSA"


def secrets_in(text: str, algorithms: frozenset[str]) -> list[str]:
    """Secrets with space between. ConfigurationError for one that can be guessed, or that is no secret."""
    if "-----BEGIN" in text:
        raise _wrong("holds PEM, and LIKEWISE_JWT_ALGORITHMS says HS: secrets of 32 characters or more")
    fewest = max(_SECRETS[name] for name in algorithms)
    for place, secret in enumerate(found := text.split(), 1):
        if weak := weakness(secret):
            raise _wrong(f"secret {place} {weak}")
        if len(secret) < fewest:
            raise _wrong(f"secret {place} has {len(secret)} characters; {max(algorithms)} needs {fewest} or more")
        try:
            HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
        except jwt.InvalidKeyError:
            raise _wrong(f"secret {place} is a public key or JWK, not a secret") from None
    return found


def public_keys_in(text: str, algorithms: frozenset[str]) -> list[PublicKey]:
    """Public keys in PEM, one after another; `\\n` may stand for a new line. ConfigurationError names the wrong one."""
    text = text.replace("\\n", "\n")
    if _PEM.sub("", text).strip():
        raise _wrong("holds something that is not PEM; give `-----BEGIN PUBLIC KEY-----` to its END, for each key")
    blocks = enumerate(_PEM.finditer(text), 1)
    return [_public_key(block[0], block[1], place, algorithms) for place, block in blocks]


def published_keys(document: bytes, algorithms: frozenset[str]) -> tuple[PublishedKey, ...]:
    """The keys of a JWKS document that may sign by `algorithms`; others are passed over. ValueError for no JWKS."""
    parsed = json.loads(document)
    entries = parsed.get("keys") if isinstance(parsed, dict) else None
    if not isinstance(entries, list):
        raise ValueError("it is no JWKS document: there is no list `keys`")  # noqa: TRY004 - what was sent is wrong
    found = (_published(entry) for entry in entries[:MAX_PUBLISHED] if isinstance(entry, dict))
    return tuple(one for one in found if one and any(one.signs(alg) for alg in algorithms))


def _published(jwk: dict[str, Any]) -> PublishedKey | None:
    ops = jwk.get("key_ops")
    is_for_signatures = jwk.get("use") in (None, "sig") and (ops is None or (isinstance(ops, list) and "verify" in ops))
    if not is_for_signatures or "d" in jwk:  # a private key that was published is everybody's
        return None
    try:
        key = _JWK_KINDS[jwk["kty"]].from_jwk(jwk)
    except Exception:  # whatever is wrong with one key must not cost the others
        return None
    return PublishedKey(jwk.get("kid"), jwk.get("alg"), key)


def _public_key(pem: str, label: str, place: int, algorithms: frozenset[str]) -> PublicKey:
    if "PRIVATE" in label:
        raise _wrong(f"key {place} is a private key; give the public one (openssl pkey -in KEY -pubout), and keep it")
    try:
        key = load_pem_public_key(pem.encode())
    except Exception:  # cryptography has many; what it says could hold the key
        raise _wrong(f"key {place} can't be read; give a public key in PEM, not a {label.lower()}") from None
    if isinstance(key, RSAPublicKey) and key.key_size not in RSA_BITS:
        raise _wrong(f"key {place} is RSA of {key.key_size} bits; give {RSA_BITS.start} or more")
    if not any(fits(key, alg) for alg in algorithms):  # type: ignore[arg-type]
        raise _wrong(f"key {place} fits none of LIKEWISE_JWT_ALGORITHMS, {', '.join(sorted(algorithms))}")
    return key  # type: ignore[return-value]


def _wrong(what: str) -> ConfigurationError:
    return ConfigurationError(f"LIKEWISE_JWT_KEYS {what}")
