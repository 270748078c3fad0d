"""Points of the ristretto255 group, as far as making public keys needs them (RFC 9496, section 4).

LLDAP's passwords are OPAQUE registrations in this group; a server that reads one refuses 32 bytes that are
not the encoding of a point. Plain integers, not constant in time: for test data only.
"""

from __future__ import annotations

ORDER = 2**252 + 27742317777372353535851937790883648493
"""L, the number of points: a scalar, and so a private key, is below it and not zero."""

_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
_SQRT_M1 = pow(2, (_P - 1) // 4, _P)

_Point = tuple[int, int, int, int]


def public_key(scalar: int) -> bytes:
    """The 32 bytes that encode the generator times the scalar."""
    result: _Point = (0, 1, 1, 0)
    step = _GENERATOR
    while scalar:
        if scalar & 1:
            result = _sum(result, step)
        step = _sum(step, step)
        scalar >>= 1
    return _encoded(result)


def _generator() -> _Point:
    y = 4 * pow(5, -1, _P) % _P
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if x * x % _P != square:
        x = x * _SQRT_M1 % _P
    if x & 1:
        x = _P - x
    return x, y, 1, x * y % _P


def _sum(left: _Point, right: _Point) -> _Point:
    """The sum in extended coordinates, complete for a curve with a = -1."""
    x1, y1, z1, t1 = left
    x2, y2, z2, t2 = right
    a = (y1 - x1) * (y2 - x2)
    b = (y1 + x1) * (y2 + x2)
    c = 2 * t1 * t2 * _D
    d = 2 * z1 * z2
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _inverse_root(v: int) -> int:
    """The nonnegative 1/sqrt(v), or 1/sqrt(sqrt(-1) * v) where v is not a square."""
    root = pow(v, 3, _P) * pow(pow(v, 7, _P), (_P - 5) // 8, _P) % _P
    check = v * root * root % _P
    if check in (_P - 1, -_SQRT_M1 % _P):
        root = root * _SQRT_M1 % _P
    return _absolute(root)


def _absolute(value: int) -> int:
    return _P - value if value & 1 else value


def _encoded(point: _Point) -> bytes:
    x, y, z, t = point
    u1 = (z + y) * (z - y) % _P
    u2 = x * y % _P
    root = _inverse_root(u1 * u2 * u2 % _P)
    one, two = root * u1 % _P, root * u2 % _P
    inverse = one * two * t % _P
    other = two
    if t * inverse % _P & 1:
        x, y = y * _SQRT_M1 % _P, x * _SQRT_M1 % _P
        other = one * _inverse_root((-1 - _D) % _P) % _P
    if x * inverse % _P & 1:
        y = -y % _P
    return _absolute(other * (z - y) % _P).to_bytes(32, "little")


_GENERATOR = _generator()
