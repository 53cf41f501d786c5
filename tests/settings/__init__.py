"""Settings, secret files, logs and the other small parts every service stands on."""
