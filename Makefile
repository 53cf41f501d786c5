# For fingers that type make: every target is ./dev's.
.DEFAULT_GOAL := help
.PHONY: help up down clean status demo test lint
help:
	@./dev
up down clean status demo test lint:
	@./dev $@
