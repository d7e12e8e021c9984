"""What the small pipelines of the contract of launchers run."""

COMMANDS = {
    "quick": "echo hello",
    "fails": "echo broken >&2; exit 3",
    "waits": "echo waiting; sleep 300 & sleep 300",
    "talks": "echo the token is $CONTRACT_TOKEN",
}
