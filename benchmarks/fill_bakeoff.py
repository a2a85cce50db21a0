"""How well gaps are filled on real data: valid pixels withheld in the shape of real gaps (:mod:`odse.series.bakeoff`).

    python -m benchmarks.fill_bakeoff FOLDER

FOLDER holds gappy quarters of NDVI (uint8, 100 x NDVI, no-data 255), one GeoTIFF a season, in whole years. Errors are
in hundredths of NDVI.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from odse.series.bakeoff import ALL, BakeOff, bake_off

NODATA = 255
SEASONS = ("winter", "spring", "summer", "fall")


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as source:
        return source.read(1)


def print_table(found: BakeOff) -> None:
    """All methods, then by season and by gap length."""
    whole = [row for row in found.rows if row["season"] == row["gap"] == ALL]
    print(f"{'withheld: ' + str(whole[0]['withheld']):<30}of all it filled      where all methods fill")
    print(f"{'method':<14} {'filled %':>8}" + f"{'RMSE':>9}{'MAE':>7}{'bias':>7}" * 2)
    for row in whole:
        one = f"{row['rmse']:>9.2f}{row['mae']:>7.2f}{row['bias']:>7.2f}"
        two = f"{row['rmse_where_all_fill']:>9.2f}{row['mae_where_all_fill']:>7.2f}{row['bias_where_all_fill']:>7.2f}"
        print(f"{row['method']:<14} {row['filled_percent']:>8.2f}{one}{two}")
    for kind in ("season", "gap"):
        other = "gap" if kind == "season" else "season"
        some = [row for row in found.rows if row[other] == ALL and row[kind] != ALL]
        names = list(dict.fromkeys(str(row[kind]) for row in some))
        print(f"\n{'RMSE where all fill, by ' + kind:<30}" + "".join(f"{name:>9}" for name in names))
        for method in dict.fromkeys(str(row["method"]) for row in some):
            told = [row["rmse_where_all_fill"] for row in some if row["method"] == method]
            print(f"{method:<30}" + "".join("        -" if one is None else f"{one:>9.2f}" for one in told))
    print(f"\nbest: {found.winner}")


def main(folder: str) -> dict[str, Any]:
    """Read the quarters, print the tables and their JSON."""
    stack = np.stack([read(path) for path in sorted(Path(folder).glob("*.tif"))])
    found = bake_off(stack, nodata=NODATA, seasons=SEASONS)
    print_table(found)
    print(json.dumps(found.to_dict()))
    return found.to_dict()


if __name__ == "__main__":
    main(sys.argv[1])
