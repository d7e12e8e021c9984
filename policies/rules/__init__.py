"""Evaluation of a policy: pure, total, three-valued, and the same in any order."""

from policies.rules.evaluate import Context, Vote, evaluate, evaluate_facts

__all__ = ["Context", "Vote", "evaluate", "evaluate_facts"]
