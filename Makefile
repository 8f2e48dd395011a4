# A thin face over tools/make.py, which works without make too.
PYTHON ?= python3
export FORCE TORCH_INDEX

.PHONY: help setup book test clean
help setup test clean:
	@$(PYTHON) tools/make.py $@

# make book ARGS="-j 4"
book:
	@$(PYTHON) tools/make.py book $(ARGS)
