"""What the rows of a dataset version are like, as an item of evidence."""

from dataclasses import dataclass

from policies.predicates.forms import Count, Flag, OptionalCount, Text


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """One column as an import counted it."""

    name: Text
    type: Text
    """As Arrow calls it: `int64`, `double`, `string`."""
    missing: Count
    """Rows that are null or NaN."""
    distinct: OptionalCount
    """Different values among the others, where they can be compared."""
    least: Text
    most: Text
    """Extremes of a column of numbers, else empty."""


@dataclass(frozen=True, slots=True)
class DataProfile:
    """The bytes with one digest."""

    digest: Text
    rows: Count
    columns: tuple[ColumnProfile, ...]

    def find(self, name: str) -> ColumnProfile | None:
        """A column by its name."""
        return next((c for c in self.columns if c.name == name), None)


@dataclass(frozen=True, slots=True)
class DataCheck:
    """A named check of a dataset version, as a run told of it."""

    digest: Text
    name: Text
    column: Text
    """Empty when it is about the whole."""
    is_passed: Flag


@dataclass(frozen=True, slots=True)
class DataItem:
    """Profiles and checks of the dataset versions that the run read."""

    profiles: tuple[DataProfile, ...] = ()
    checks: tuple[DataCheck, ...] = ()

    def profile(self, digest: str) -> DataProfile | None:
        """The profile of the bytes with that digest."""
        return next((p for p in self.profiles if p.digest == digest), None)
