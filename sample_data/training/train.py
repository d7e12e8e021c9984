"""Train one model from a configuration file, log it, and register it if asked to.

Run as `python train.py CONFIG.toml`; the MLflow server comes from the environment.
Prints one line of JSON with the run id and the registered version.
"""

import json
import sys
import tomllib
import warnings
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from provenance_helper import record_manifest, record_provenance
from sklearn import metrics
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

ESTIMATORS = {
    "ridge": Ridge,
    "gradient-boosting": GradientBoostingRegressor,
    "logistic": LogisticRegression,
    "random-forest": RandomForestClassifier,
}
SLICES = {
    "diabetes": {
        "sex:1": lambda frame: frame.sex == 1,
        "sex:2": lambda frame: frame.sex == 2,
        "age:under-50": lambda frame: frame.age < 50,
        "age:50-plus": lambda frame: frame.age >= 50,
    },
    "tumour": {
        "size:small": lambda frame: frame["mean radius"] < 13.4,
        "size:large": lambda frame: frame["mean radius"] >= 13.4,
    },
}


def regression_scores(truth, predicted):
    return {
        "rmse": float(np.sqrt(np.mean((predicted - truth) ** 2))),
        "mae": float(metrics.mean_absolute_error(truth, predicted)),
        "r2": float(metrics.r2_score(truth, predicted)),
    }


def classification_scores(truth, predicted):
    return {
        "accuracy": float(metrics.accuracy_score(truth, predicted >= 0.5)),
        "recall": float(metrics.recall_score(truth, predicted >= 0.5)),
        "roc_auc": float(metrics.roc_auc_score(truth, predicted)),
    }


def log_scores(task, holdout, predicted):
    scores = regression_scores if task == "diabetes" else classification_scores
    groups = {"": lambda frame: frame.target == frame.target} | SLICES[task]
    for name, belongs in groups.items():
        rows = belongs(holdout).to_numpy()
        suffix = f"/{name}" if name else ""
        mlflow.log_metric(f"samples{suffix}", int(rows.sum()))
        for metric, value in scores(holdout.target[rows], predicted[rows]).items():
            mlflow.log_metric(f"{metric}{suffix}", value)


def fit(config, frame, features):
    estimator = ESTIMATORS[config["estimator"]](**config.get("parameters", {}))
    weights = np.ones(len(frame))
    for rule in config.get("weights", []):
        weights[(frame[rule["column"]] == rule["equals"]).to_numpy()] = rule["weight"]
    step = estimator.__class__.__name__.lower()
    pipeline = make_pipeline(StandardScaler(), estimator)
    fitting = {f"{step}__sample_weight": weights}
    return pipeline.fit(frame[features], frame.target, **fitting)


def record_inputs(config, data, train_path, holdout_path):
    names = {data["train"]: train_path, data["holdout"]: holdout_path}
    contexts = {data["train"]: "training", data["holdout"]: "evaluation"}
    if not config.get("record_datasets", True):
        names = {}
    for name, path in names.items():
        dataset = mlflow.data.from_pandas(
            pd.read_parquet(path), source=path.name, name=name, targets="target"
        )
        mlflow.log_input(dataset, context=contexts[name])
    record_provenance(
        names,
        repository=".",
        lock_file="requirements.lock",
        features="features.toml",
    )
    if names:
        mlflow.set_tag("countersign.evaluation.dataset", data["holdout"])


def main(path):
    config = tomllib.loads(Path(path).read_text())
    data = config["data"]
    train_path, holdout_path = Path(data["train_file"]), Path(data["holdout_file"])
    features = tomllib.loads(Path("features.toml").read_text())[config["features"]]
    mlflow.set_experiment(config["experiment"])
    with mlflow.start_run(run_name=config["name"]) as run:
        frame, holdout = pd.read_parquet(train_path), pd.read_parquet(holdout_path)
        features = features or [name for name in frame if name != "target"]
        mlflow.log_params(
            {"estimator": config["estimator"], "features": config["features"]}
            | {"rows": len(frame)}
            | {
                f"weight.{w['column']}:{w['equals']}": w["weight"]
                for w in config.get("weights", [])
            }
            | config.get("parameters", {})
        )
        mlflow.set_tag("mlflow.user", config["author"])
        record_inputs(config, data, train_path, holdout_path)
        model = fit(config, frame, features)
        task = config["task"]
        predicted = (
            model.predict(holdout[features])
            if task == "diabetes"
            else model.predict_proba(holdout[features])[:, 1]
        )
        log_scores(task, holdout, predicted)
        version = None
        if name := config.get("register"):
            signature = infer_signature(holdout[features], predicted)
            logged = mlflow.sklearn.log_model(
                model,
                name="model",
                signature=signature if config.get("signature", True) else None,
                registered_model_name=name,
                pip_requirements=["scikit-learn"],
                serialization_format="cloudpickle",
            )
            version = logged.registered_model_version
            record_manifest(name, version)
    print(json.dumps({"run_id": run.info.run_id, "version": version}))


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main(sys.argv[1])
