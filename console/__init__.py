"""The command line, the services behind it, the reports and the terminal console."""
