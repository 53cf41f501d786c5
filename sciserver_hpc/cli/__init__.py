"""The programs: `sciserver`, `sciserver-submit` and its sisters for people, `sciserver-hpc` for admins."""
