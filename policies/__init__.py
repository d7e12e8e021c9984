"""Pure decisions: statements and their verification, trust, rules, sign-off states."""
