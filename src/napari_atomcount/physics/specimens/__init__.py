"""Seeded generators of specimens: ASE atoms with the atomic column that every atom belongs to."""

from napari_atomcount.physics.specimens.specimen import Specimen

__all__ = ["Specimen"]
