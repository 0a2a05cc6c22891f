# SPDX-License-Identifier: Apache-2.0
# Needs Go, make, git and sh. "make ci" is what the merge check runs.

BIN     ?= bin/layerscope
TAGS    ?=
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS  = -s -w -X main.version=$(VERSION)
DEMO    ?= testdata/captures/slow_a.xplane.pb.gz
DEMORUN ?= demo-run

FUZZTIME    ?= 3s
FUZZBUDGET  ?= 150
BENCH       ?= .
BENCHTIME   ?= 1s
PEERS       ?= xspace json perfetto
CALIBRATION ?= ^TestCalibration

export CGO_ENABLED = 0

.PHONY: all build demo demo-run test lint fmt vet staticcheck fuzz docs ci bench hostile calibration oracle gcs-contract gcs-heavy clean

all: build

build:
	@go build -trimpath -tags 'disable_grpc_modules $(TAGS)' -ldflags '$(LDFLAGS)' -o bin/layerscope ./cmd/layerscope

# The quick build leaves the cloud clients out.
demo:
	@$(MAKE) -s build TAGS=nocloud
	@$(MAKE) -s demo-run

# A real capture first, then the whole loop on the embedded model.
demo-run:
	@$(BIN) report $(DEMO)
	@echo
	@$(BIN) demo --out $(DEMORUN)

test:
	@mkdir -p bin
	go run ./internal/ci/testsum -o bin/test-summary ./...

lint: fmt vet staticcheck

fmt:
	@files=$$(gofmt -l .); [ -z "$$files" ] || { echo "gofmt: these files need it:"; echo "$$files"; exit 1; }

vet:
	go vet ./...

staticcheck:
	go tool staticcheck ./...

fuzz:
	FUZZTIME=$(FUZZTIME) FUZZBUDGET=$(FUZZBUDGET) sh internal/ci/fuzz.sh

docs:
	go test -count=1 ./internal/doctest

ci: lint test docs fuzz

# The benchmarks, and then whole processes beside those of other programs.
bench:
	go test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem ./...
	@[ -z '$(PEERS)' ] || bench/peers.sh $(PEERS)

hostile:
	LAYERSCOPE_HEAVY=1 go test -count=1 -timeout 1h -run 'Hostile|MemoryIndependent' -v ./trace

calibration:
	LAYERSCOPE_CALIBRATION=1 go test -count=1 -timeout 2h -run '$(CALIBRATION)' -v ./analyze/... ./cmd/layerscope

oracle:
	sh internal/ci/oracle.sh

# The bucket's client against a server that others wrote: a module of its own.
gcs-contract:
	cd reports/gcs/gcstest && go test -count=1 ./...

# Push and pull of 2 GiB in 100 MB, and killed with parts of the real size.
gcs-heavy:
	LAYERSCOPE_HEAVY=1 go test -count=1 -timeout 1h -run 'Killed|Memory' -v ./reports/remote

clean:
	rm -rf bin demo-run
