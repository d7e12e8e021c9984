"""Which format a file of a model has, judged by its name alone and never by loading it.

A name decides only what loading tools agree on. Where one suffix serves several
formats, all of them stand here, and the rules say that they could not tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

PICKLE = "pickle"
_SUFFIXES: Mapping[str, tuple[str, ...]] = {
    PICKLE: (
        ".pkl",
        ".pickle",
        ".joblib",
        ".dill",
        ".cloudpickle",
        ".pt",
        ".pth",
        ".ckpt",
        ".sav",
        ".bin",
        ".npy",
        ".npz",
    ),
    "safetensors": (".safetensors",),
    "onnx": (".onnx",),
    "gguf": (".gguf",),
    "skops": (".skops",),
    "keras": (".keras",),
    "hdf5": (".h5", ".hdf5"),
    "tensorflow": (".pb", ".tflite", ".ckpt"),
    "xgboost": (".ubj", ".xgb"),
    "lightgbm": (".lgb",),
    "catboost": (".cbm",),
    "numpy": (".npy", ".npz"),
    "binary": (".bin",),
    "python": (".py",),
    "parquet": (".parquet",),
    "text": (
        ".cfg",
        ".csv",
        ".ini",
        ".json",
        ".jsonl",
        ".lock",
        ".md",
        ".sig",
        ".toml",
        ".txt",
        ".yaml",
        ".yml",
    ),
}
_NAMES: Mapping[str, str] = {
    "MLmodel": "text",
    "LICENSE": "text",
    "NOTICE": "text",
    "README": "text",
    "registered_model_meta": "text",
}
"""Whole names that stand for a format; a suffix does not count beside them."""
FORMATS = tuple(_SUFFIXES)
"""Every format that a policy can name."""


def suffixes_of(name: str) -> tuple[str, ...]:
    """The suffixes that stand for a format."""
    return _SUFFIXES[name]


def possible_formats(path: str) -> frozenset[str]:
    """What a file of that name may be; empty where the name says nothing."""
    file = PurePosixPath(path)
    if file.name in _NAMES:
        return frozenset((_NAMES[file.name],))
    suffix = file.suffix.lower()
    return frozenset(name for name, known in _SUFFIXES.items() if suffix in known)
