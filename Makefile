# A thin face over tools/make.py, which works without make too.
PYTHON ?= python3
export FORCE TORCH_INDEX

.PHONY: help setup book test elsewhere clean
help setup test clean:
	@$(PYTHON) tools/make.py $@

# make book ARGS="-j 4", make elsewhere ARGS=tests-sse4
book elsewhere:
	@$(PYTHON) tools/make.py $@ $(ARGS)
