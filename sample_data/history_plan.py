"""What happens in the sample history, in order: trainings and moves of aliases."""

import json
from dataclasses import dataclass, field

DIABETES, TUMOUR = "diabetes-progression", "tumour-screening"
ALTERED_VERSION = (TUMOUR, "2")
"""Its file is overwritten after registration with that of REPLACEMENT."""
REPLACEMENT = (TUMOUR, "3")


@dataclass(frozen=True)
class Train:
    """One training run and the commit that precedes it."""

    name: str
    task: str
    author: str
    message: str
    estimator: str
    parameters: dict = field(default_factory=dict)
    weights: tuple = ()
    features: str = "all"
    train_file: str = ""
    registers: bool = False
    is_dirty: bool = False
    records_datasets: bool = True
    has_signature: bool = True
    fails: bool = False

    @property
    def experiment(self) -> str:
        return DIABETES if self.task == "diabetes" else TUMOUR

    @property
    def train_path(self) -> str:
        return self.train_file or f"{self.task}-train.parquet"

    @property
    def holdout_path(self) -> str:
        return f"{self.task}-holdout.parquet"

    def to_toml(self) -> str:
        """The configuration file that the training code reads."""
        lines = [
            f"name = {json.dumps(self.name)}",
            f"task = {json.dumps(self.task)}",
            f"author = {json.dumps(self.author)}",
            f"experiment = {json.dumps(self.experiment)}",
            f"estimator = {json.dumps(self.estimator)}",
            f"features = {json.dumps(self.features)}",
            f"record_datasets = {str(self.records_datasets).lower()}",
            f"signature = {str(self.has_signature).lower()}",
        ]
        if self.registers:
            lines.append(f"register = {json.dumps(self.experiment)}")
        lines += ["[data]", f'train = "{self.task}-train"']
        lines += [f'holdout = "{self.task}-holdout"']
        lines += [f"train_file = {json.dumps('../datasets/' + self.train_path)}"]
        lines += [f"holdout_file = {json.dumps('../datasets/' + self.holdout_path)}"]
        lines += ["[parameters]"]
        lines += [f"{k} = {json.dumps(v)}" for k, v in self.parameters.items()]
        for column, equals, weight in self.weights:
            lines += ["[[weights]]", f"column = {json.dumps(column)}"]
            lines += [f"equals = {equals}", f"weight = {weight}"]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class MoveAlias:
    """Somebody points an alias at a version, through the registry's own API."""

    model: str
    alias: str
    version: str


Step = Train | MoveAlias
BOOSTING = {
    "n_estimators": 60,
    "learning_rate": 0.08,
    "max_depth": 2,
    "subsample": 0.7,
    "random_state": 3,
}
FOREST = {"n_estimators": 25, "max_depth": 5, "random_state": 3}

STEPS: tuple[Step, ...] = (
    Train(
        "ridge-basic",
        "diabetes",
        "ana",
        "Start with five features on the early snapshot",
        "ridge",
        {"alpha": 10.0},
        features="basic",
        train_file="diabetes-train-early.parquet",
        registers=True,
    ),
    *(
        Train(
            f"ridge-sweep-{alpha:g}",
            "diabetes",
            "ana",
            f"Try alpha {alpha:g}",
            "ridge",
            {"alpha": alpha},
        )
        for alpha in (1.0, 50.0, 200.0)
    ),
    Train(
        "ridge-full",
        "diabetes",
        "ana",
        "All features, the full snapshot",
        "ridge",
        {"alpha": 10.0},
        registers=True,
    ),
    MoveAlias(DIABETES, "production", "2"),
    Train(
        "ridge-by-hand",
        "diabetes",
        "bo",
        "Halve alpha",
        "ridge",
        {"alpha": 5.0},
        registers=True,
        is_dirty=True,
    ),
    Train(
        "ridge-unrecorded",
        "diabetes",
        "bo",
        "Leave out the dataset bookkeeping",
        "ridge",
        {"alpha": 20.0},
        registers=True,
        records_datasets=False,
    ),
    Train(
        "boosting-broken",
        "diabetes",
        "bo",
        "Boosting, first attempt",
        "gradient-boosting",
        {"n_estimators": 60, "learning_rate": -1.0},
        fails=True,
    ),
    Train(
        "boosting",
        "diabetes",
        "bo",
        "Boosting with a sane learning rate",
        "gradient-boosting",
        BOOSTING,
        registers=True,
    ),
    MoveAlias(DIABETES, "production", "5"),
    Train(
        "ridge-balanced",
        "diabetes",
        "ana",
        "Weigh the smaller group up",
        "ridge",
        {"alpha": 10.0},
        weights=(("sex", 2, 4.0),),
        registers=True,
    ),
    MoveAlias(DIABETES, "candidate", "6"),
    Train(
        "logistic",
        "tumour",
        "ana",
        "Screening: a baseline",
        "logistic",
        {"C": 1.0, "max_iter": 500},
        registers=True,
    ),
    MoveAlias(TUMOUR, "production", "1"),
    Train(
        "forest",
        "tumour",
        "bo",
        "Screening: a small forest",
        "random-forest",
        FOREST,
        registers=True,
    ),
    Train(
        "forest-unsigned",
        "tumour",
        "bo",
        "Screening: without a signature",
        "random-forest",
        FOREST | {"max_depth": 2},
        registers=True,
        has_signature=False,
    ),
)
