"""What leaves the house: the auditor's file, made and verified."""
