"""Write the configuration that train.py reads, once its data is seen to be fit.

Run as the step `prepare` of the MLproject file beside it.
"""

import argparse
import json
import sys
from pathlib import Path

import pandas as pd


def check(train_file, holdout_file):
    """Stop where training and holdout share a row: the scores would mean nothing."""
    train, holdout = pd.read_parquet(train_file), pd.read_parquet(holdout_file)
    shared = train.merge(holdout.drop_duplicates(), how="inner")
    if len(shared):
        sys.exit(f"{len(shared)} rows are in {train_file} and in {holdout_file}")
    print(f"{len(train)} rows to train on, {len(holdout)} held out, none shared")


def dataset(path):
    """The name that the sample gives the dataset of a snapshot."""
    return Path(path).stem.removesuffix("-early")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("name", "author", "estimator", "features", "register"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("train", "holdout"):
        parser.add_argument(f"--{name}-file", required=True)
    parser.add_argument("--alpha", type=float, required=True)
    given = parser.parse_args()
    check(given.train_file, given.holdout_file)
    head = {
        "name": given.name,
        "task": "diabetes",
        "author": given.author,
        "experiment": "diabetes-progression",
        "estimator": given.estimator,
        "features": given.features,
    }
    if given.register:
        head["register"] = given.register
    data = {
        "train": dataset(given.train_file),
        "holdout": dataset(given.holdout_file),
        "train_file": given.train_file,
        "holdout_file": given.holdout_file,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in head.items()]
    lines += ["[data]", *(f"{name} = {json.dumps(v)}" for name, v in data.items())]
    lines += ["[parameters]"]
    lines += [f"alpha = {given.alpha}"] if given.estimator == "ridge" else []
    Path("run.toml").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
