# SPDX-License-Identifier: BSD-3-Clause
"""Sequences of calls at random, as scripts of the player.

The same seed and number give the same sequence, whatever else is generated. Values come from
few choices, so that calls meet: mappings overlap, ids are those of objects, ranges end where
others begin. Each line stands alone: it names descriptors that the first lines open, and
objects by their numbers; so any line can be left out, which is what shrinking does.
"""
import random

from .calls import calls
from .containers import compat, type1
from .devices import cdev, cdev_pair, config_nvme, irqs, irqs_msix, regions
from .dma import dma_cdev, dma_compat, dma_type1
from .faults import faults
from .lifetimes import life_cdev, life_group
from .maker import Maker
from .mock import mock
from .spaces import ioas

# What a sequence is about, and how often.
KINDS = [(type1, 55), (ioas, 50), (mock, 50), (compat, 20), (cdev, 20), (regions, 10), (irqs, 12),
         (irqs_msix, 6), (config_nvme, 6), (cdev_pair, 15), (dma_type1, 15), (dma_compat, 7),
         (dma_cdev, 15), (faults, 12), (calls, 15), (life_group, 12), (life_cdev, 12)]


def sequence(seed, number):
    """The script of that number: (name, text)."""
    rng = random.Random(f"{seed}/{number}")
    kind = rng.choice([k for k, weight in KINDS for _ in range(weight)])
    mk = Maker(rng)
    kind(mk)
    return f"random/{seed}/{number}/{kind.__name__}", "\n".join(mk.lines) + "\n"
