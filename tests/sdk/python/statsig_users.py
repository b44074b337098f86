"""The users of tests/sdk/statsig.users.json. Knows no SDK. tests/sdk/statsig_users.mjs makes the same ones."""

import copy
import json
from pathlib import Path

POOLS = json.loads((Path(__file__).resolve().parent.parent / "statsig.users.json").read_text(encoding="utf-8"))
COMPANIES = 40


def hash_of(text):
    """FNV-1a of 32 bits, its halves folded into one number of 16 bits."""
    value = 0x811C9DC5
    for byte in text.encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return (value >> 16) ^ (value & 0xFFFF)


def user(seed, index):
    """A StatsigUser as JSON: of each field's values one, null leaving it out."""
    made = {}
    for path, pool in POOLS.items():
        value = copy.copy(pool[hash_of(f"{seed}:{index}:{path}") % len(pool)])
        if value is None:
            continue
        if isinstance(value, str):
            value = value.replace("{i}", str(index)).replace("{s}", str(index % COMPANIES))
        place, _, field = path.rpartition(".")
        (made.setdefault(place, {}) if place else made)[field] = value
    return made
