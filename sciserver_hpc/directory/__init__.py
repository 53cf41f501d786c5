"""Who people are: adapters of `ports.Directory` for LDAP and for a file of users."""
