"""Directories: LDAP against a real slapd, the file of users, and the fake."""
