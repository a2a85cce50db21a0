"""The tree of errors. Every error a user can meet is one of these, and its text is one sentence.

::

    OdseError
    |- LayerNameError     a layer name that breaks its grammar
    |- PeriodError        dates, seasons, intervals
    |- LegendError        classes and their codes
    |- StyleError         colours
    |- GridError          CRS, pixel size, origin, tiles
    |- CubeError          an array that breaks the Cube contract
    |- QualityError       quality codes and mask presets
    |- SeriesError        composite and fill
    |- DeriveError        indices and terrain
    |- LearnError         samples, folds, members, models
    |- ReportError        pages
    |- StoreError         bytes: missing folder, full disk, no permission
    |  `- ReceiptError    a receipt that is damaged
    |- EncodingError      a value that an encoding cannot hold
    |- RasterError        a raster on another grid, or wrong after writing
    |  `- UnreadableError a file that exists and cannot be decoded
    |- CatalogError       colliding or broken records
    |- SourceError        an archive that has nothing usable
    |  `- SamplesError    points without class, date or place
    |- RecipeError        a recipe that cannot be carried out
    `- RunError           a run that ended with failures
       `- InterruptedRunError   Ctrl-C; the next run carries on

The sentence is *cannot <verb> <which>, because <what> is <value>; <do this>*.

>>> str(OdseError.sentence("read", "layer a.tif", "its CRS", "EPSG:4326", "reproject it to EPSG:3035"))
'cannot read layer a.tif, because its CRS is EPSG:4326; reproject it to EPSG:3035'
"""

from __future__ import annotations

from typing import Self


class OdseError(Exception):
    """Root of all errors that odse raises on purpose; the command line prints its text and exits with 1."""

    @classmethod
    def sentence(cls, verb: str, which: str, what: str, value: object, remedy: str) -> Self:
        """The error whose text has the one form that all of them have."""
        return cls(f"cannot {verb} {which}, because {what} is {value}; {remedy}")


class LayerNameError(OdseError): ...


class PeriodError(OdseError): ...


class LegendError(OdseError): ...


class StyleError(OdseError): ...


class GridError(OdseError): ...


class CubeError(OdseError): ...


class QualityError(OdseError): ...


class SeriesError(OdseError): ...


class DeriveError(OdseError): ...


class LearnError(OdseError): ...


class ReportError(OdseError): ...


class StoreError(OdseError): ...


class ReceiptError(StoreError): ...


class EncodingError(OdseError): ...


class RasterError(OdseError): ...


class UnreadableError(RasterError): ...


class CatalogError(OdseError): ...


class SourceError(OdseError): ...


class SamplesError(SourceError): ...


class RecipeError(OdseError): ...


class RunError(OdseError): ...


class InterruptedRunError(RunError): ...
