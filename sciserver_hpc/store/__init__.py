"""The database behind `ports.Store`: SQLAlchemy Core over SQLite (one host) or PostgreSQL (production)."""
