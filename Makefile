# A thin face over tools/make.py, which works without make too.
PYTHON ?= python3
export FORCE TORCH_INDEX

.PHONY: help setup book pdf epub test elsewhere clean
help setup test clean:
	@$(PYTHON) tools/make.py $@

# make book ARGS="-j 4", make pdf ARGS="--profile smoke", make elsewhere ARGS=tests-sse4
book pdf epub elsewhere:
	@$(PYTHON) tools/make.py $@ $(ARGS)
